package httpmw

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// Config is what an application may choose. The zero Config is safe and complete.
type Config struct {
	// App names the cookie and is sealed into it as the audience: applications that share a ring
	// but have different names refuse each other's sessions. Letters, digits, "-" and "_", at most
	// 64, not ending in "-seen" or "-anon". Zero: "session".
	App string

	// Idle ends a session that was not used for this long, at most the list's MaxIdle. A request
	// renews the session only when a tenth of Idle has passed since the last renewal; that pause is
	// at least 1 minute and at most 5, but never more than half of Idle. So a session may end that
	// much sooner. Zero: 2 h.
	Idle time.Duration

	// Absolute ends a session this long after it began, whether it is used or not. It is at least
	// Idle, and at most the ring's MaxSession. A session keeps the end that it was given when it
	// began, even if Absolute changes. Zero: 24 h.
	Absolute time.Duration

	// Remember holds the limits of sessions whose Identity asked to be remembered; their cookies
	// outlive the browser. Its Idle is at most the list's MaxIdle, its Absolute above
	// Config.Absolute and at most the ring's MaxSession. Zero: Login refuses Identity.Remember.
	Remember Limits

	// Domain shares the session with all hosts below it and weakens the cookie's prefix to
	// "__Secure-". Zero: this host only.
	Domain string

	// SameSite is that of all cookies. Zero: Lax.
	SameSite http.SameSite

	// Partitioned keeps cookies apart for each site that embeds this one (CHIPS). Use it with
	// SameSite None for embedded pages. Zero: not partitioned.
	Partitioned bool

	// InsecureHTTP gives up Secure and the name's prefix, so that cookies work over plain HTTP.
	// Anyone on the network path can then read and replace them. Zero: HTTPS only.
	InsecureHTTP bool

	// MaxCookies is over how many cookies a session may be spread, at most 3. nginx in front then
	// needs larger buffers, or it answers 502 to everybody: see docs/proxies.md. Zero: one cookie.
	MaxCookies int

	// Warn is how long before its end a session's pages warn, if they load the script of Manager.Tab:
	// at least 20 seconds, which WCAG 2.2.1 asks for, and at most half of Idle. Zero: 2 minutes, or
	// half of Idle if that is less.
	Warn time.Duration

	// MaxStreams is how many streams of Manager.Tab may be open at a time. Each takes about 30 KiB.
	// Zero: 4096.
	MaxStreams int

	// ClearSiteData names what a browser deletes at a logout, beyond the session: "cache", "storage"
	// or another type of the header Clear-Site-Data, except "*". "cookies" deletes all cookies of
	// the whole registrable domain, those of other applications too, and the marker of the logout.
	// Browsers ignore the header over plain http, so InsecureHTTP leaves it out. Zero: nothing.
	ClearSiteData []string

	// Codec turns the application's data into JSON and back. Zero: encoding/json.
	Codec Codec

	// Refuse writes the responses of Require and RequireThat, where status is 401, 403 or 503, and
	// of Fail. err says why. For 503 a Retry-After header is already set. Zero: a short plain text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, err error)

	// OnEvent is called for each login, logout and refused cookie. It runs on the goroutine of the
	// request, before the response leaves, so slow work in it delays logins and other requests with
	// events: give database calls a deadline, or hand them to a goroutine. No lock is held, and
	// From works with ctx, except in events of Check and Issue. Zero: not called.
	OnEvent func(ctx context.Context, e Event)

	// Devices keeps a list of where each subject is logged in, and may limit how many sessions a
	// subject has: see package devices. Zero: none is kept.
	Devices Devices

	// Logger receives refusals at debug level, and warnings, at most one a minute of each kind. It
	// never receives a token, a key or a subject. Zero: slog.Default().
	Logger *slog.Logger
}

// Limits are the limits of a session's life.
type Limits struct {
	Idle     time.Duration // how long it may be unused; zero: not given
	Absolute time.Duration // how long it may last; zero: not given
}

const (
	defaultApp      = "session"
	defaultIdle     = 2 * time.Hour
	defaultAbsolute = 24 * time.Hour

	defaultWarn    = 2 * time.Minute
	defaultStreams = 4096

	minWarn    = 20 * time.Second
	maxApp     = 64
	maxCookies = 3
)

// withDefaults fills in what is zero and refuses what cannot work, naming the field.
func (c Config) withDefaults(k keys.Source, l *revocation.List) (Config, error) {
	if k == nil || k.Ring() == nil {
		return c, errors.New("httpmw: New: no key ring: the keys.Source is nil or has no ring")
	}
	if l == nil {
		return c, errors.New("httpmw: New: nil revocation list (use revocation.Disabled to run without one)")
	}
	if !l.Replica().SameSecrets(k.Ring()) {
		return c, errors.New("httpmw: New: the revocation list was opened with the list key of another ring, so it would find no revocation of these sessions: " +
			"open it with this ring")
	}
	c = c.filled(k.Ring().MaxSession(), l.Replica().MaxIdle())
	if err := c.checkName(); err != nil {
		return c, err
	}
	if err := c.checkCookie(); err != nil {
		return c, err
	}
	if err := c.checkLimits(k.Ring().MaxSession(), l.Replica().MaxIdle()); err != nil {
		return c, err
	}
	return c, c.checkTab()
}

// filled returns c with what is zero filled in.
func (c Config) filled(maxSession, maxIdle time.Duration) Config {
	if c.App == "" {
		c.App = defaultApp
	}
	if c.Idle == 0 {
		c.Idle = min(defaultIdle, maxIdle)
	}
	if c.Absolute == 0 {
		c.Absolute = min(defaultAbsolute, maxSession)
	}
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode
	}
	if c.MaxCookies == 0 {
		c.MaxCookies = 1
	}
	if c.Warn == 0 {
		c.Warn = min(defaultWarn, c.Idle/2)
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = defaultStreams
	}
	if c.Codec == nil {
		c.Codec = jsonCodec{}
	}
	if c.Refuse == nil {
		c.Refuse = refusePlain
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

func (c Config) checkName() error {
	if len(c.App) > maxApp {
		return configError("Config.App", "must have at most %d characters", maxApp)
	}
	for i := range len(c.App) {
		if !isNameByte(c.App[i]) {
			return configError("Config.App", "%q may contain only letters, digits, - and _", c.App)
		}
	}
	for _, suffix := range []string{renewalSuffix, anonymousSuffix} {
		if strings.HasSuffix(c.App, suffix) {
			return configError("Config.App", "%q ends in %q, like a cookie that belongs to another application's session", c.App, suffix)
		}
	}
	return nil
}

func isNameByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_'
}

func (c Config) checkCookie() error {
	if c.Domain != "" && !validDomain(c.Domain) {
		return configError("Config.Domain", "%q is not a plain host name such as example.com", c.Domain)
	}
	switch c.SameSite {
	case http.SameSiteLaxMode, http.SameSiteStrictMode, http.SameSiteNoneMode:
	default:
		return configError("Config.SameSite", "%d is not a mode of http.SameSite", c.SameSite)
	}
	if c.InsecureHTTP && c.SameSite == http.SameSiteNoneMode {
		return configError("Config.SameSite", "browsers refuse None together with InsecureHTTP")
	}
	if c.InsecureHTTP && c.Partitioned {
		return configError("Config.Partitioned", "browsers refuse it together with InsecureHTTP")
	}
	if c.MaxCookies < 1 || c.MaxCookies > maxCookies {
		return configError("Config.MaxCookies", "%d is not between 1 and %d", c.MaxCookies, maxCookies)
	}
	return nil
}

// validDomain accepts a host name of two labels or more. Browsers refuse or ignore a single label,
// an address and a leading dot, and the session would be lost without an error.
func validDomain(d string) bool {
	if len(d) > 253 || net.ParseIP(d) != nil || !strings.Contains(d, ".") {
		return false
	}
	for label := range strings.SplitSeq(d, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !isNameByte(label[i]) {
				return false
			}
		}
	}
	return true
}

func (c Config) checkLimits(maxSession, maxIdle time.Duration) error {
	check := func(field string, l Limits) error {
		switch {
		case l.Idle < time.Second:
			return configError(field+"Idle", "%v is less than a second", l.Idle)
		case l.Idle > maxIdle:
			return configError(field+"Idle", "%v is above the list's MaxIdle of %v, so a revocation could be forgotten before the session ends: raise MaxIdle of revocation.Config", l.Idle, maxIdle)
		case l.Absolute < l.Idle:
			return configError(field+"Absolute", "%v is less than the idle limit of %v", l.Absolute, l.Idle)
		case l.Absolute > maxSession:
			return configError(field+"Absolute", "%v is above the ring's max_session of %v, so a rotation could end a session early: raise it with 'wafer keys extend'", l.Absolute, maxSession)
		}
		return nil
	}
	if err := check("Config.", Limits{c.Idle, c.Absolute}); err != nil {
		return err
	}
	if c.Remember == (Limits{}) {
		return nil
	}
	if err := check("Config.Remember.", c.Remember); err != nil {
		return err
	}
	if c.Remember.Absolute <= c.Absolute {
		return configError("Config.Remember.Absolute", "%v is not above Config.Absolute of %v", c.Remember.Absolute, c.Absolute)
	}
	return nil
}

// clearable are the types of Clear-Site-Data that have names.
var clearable = []string{"cache", "cookies", "storage", "executionContexts", "clientHints", "prefetchCache", "prerenderCache"}

func (c Config) checkTab() error {
	switch {
	case c.Warn > c.Idle/2:
		return configError("Config.Warn", "%v is more than half of Config.Idle, %v", c.Warn, c.Idle)
	case c.Warn < min(minWarn, c.Idle/2):
		return configError("Config.Warn", "%v is less than %v", c.Warn, minWarn)
	case c.MaxStreams < 0:
		return configError("Config.MaxStreams", "%d is negative", c.MaxStreams)
	}
	for _, name := range c.ClearSiteData {
		if !slices.Contains(clearable, name) {
			return configError("Config.ClearSiteData", "%q is not one of %s", name, strings.Join(clearable, ", "))
		}
	}
	return nil
}

func configError(field, format string, args ...any) error {
	return fmt.Errorf("httpmw: %s: %s", field, fmt.Sprintf(format, args...))
}
