package httpmw

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// Config is what an application may choose. The zero Config is safe and complete.
type Config struct {
	// App names the cookie and is sealed into it as the audience: applications under one ring whose names
	// differ refuse each other's sessions. Letters, digits, "-" and "_", at most 64, not ending in "-seen" or
	// "-anon". Zero: "session".
	App string

	// Idle ends a session that was not used for so long, at most the list's MaxIdle. A request renews it only when a tenth
	// of it has passed since the last renewal, 1 to 5 min and at most half, so it may end that much sooner. Zero: 2 h.
	Idle time.Duration

	// Absolute ends a session so long after it began, used or not, at most the ring's MaxSession. A session keeps the
	// end it was given when it began, also if Absolute changes. Not less than Idle. Zero: 24 h.
	Absolute time.Duration

	// Remember holds the limits of sessions whose Identity asked to be remembered; their cookies outlive the
	// browser. Idle at most the list's MaxIdle, Absolute above Config.Absolute and at most the ring's
	// MaxSession. Zero: Login refuses Identity.Remember.
	Remember Limits

	// Domain shares the session with all hosts below it and weakens the cookie's prefix to "__Secure-".
	// Zero: this host only.
	Domain string

	// SameSite of all cookies. Zero: Lax.
	SameSite http.SameSite

	// Partitioned keeps the cookies apart per embedding site (CHIPS); for embedded use, with SameSite None.
	// Zero: not partitioned.
	Partitioned bool

	// InsecureHTTP gives up Secure and the name's prefix, so that cookies work over plain http. Anybody on
	// the way can then read and replace them. Zero: https only.
	InsecureHTTP bool

	// MaxCookies allows a session to be spread over so many cookies, at most 3. Proxies in front need larger
	// header buffers then. Zero: one cookie.
	MaxCookies int

	// Codec turns the application's data into JSON and back. Zero: encoding/json.
	Codec Codec

	// Refuse writes the answer of Require and RequireThat, where status is 401, 403 or 503, and of Fail; err says why.
	// For 503 a Retry-After header is already set. Zero: a short plain text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, err error)

	// OnEvent is told of each login, logout and refused cookie. It runs on the goroutine of the request, before
	// the answer leaves, so slow work in it delays logins and everything else it is told of: give a call to a
	// database a deadline, or hand it to a goroutine. No lock is held, and From works with ctx, except in events of
	// Check and Issue. Zero: nobody is told.
	OnEvent func(ctx context.Context, e Event)

	// Logger receives refusals at debug level and warnings, at most one a minute of each kind; never a
	// token, a key or a subject. Zero: slog.Default().
	Logger *slog.Logger
}

// Limits of a session's life.
type Limits struct {
	Idle     time.Duration // unused for so long; zero: none given
	Absolute time.Duration // since it began; zero: none given
}

const (
	defaultApp      = "session"
	defaultIdle     = 2 * time.Hour
	defaultAbsolute = 24 * time.Hour

	maxApp     = 64
	maxCookies = 3
)

// withDefaults fills what is zero and refuses what cannot work, naming the field.
func (c Config) withDefaults(k keys.Source, l *revocation.List) (Config, error) {
	if k == nil || k.Ring() == nil {
		return c, configError("keys", "there is no ring")
	}
	if l == nil {
		return c, configError("list", "there is none; revocation.Disabled is the way to say so")
	}
	if !l.Replica().SameSecrets(k.Ring()) {
		return c, configError("list", "it was opened with the list key of another ring, so it could never find a revocation of this one")
	}
	if c.App == "" {
		c.App = defaultApp
	}
	if c.Idle == 0 {
		c.Idle = min(defaultIdle, l.Replica().MaxIdle())
	}
	if c.Absolute == 0 {
		c.Absolute = min(defaultAbsolute, k.Ring().MaxSession())
	}
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode
	}
	if c.MaxCookies == 0 {
		c.MaxCookies = 1
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
	if err := c.checkName(); err != nil {
		return c, err
	}
	if err := c.checkCookie(); err != nil {
		return c, err
	}
	return c, c.checkLimits(k.Ring().MaxSession(), l.Replica().MaxIdle())
}

func (c Config) checkName() error {
	if len(c.App) > maxApp {
		return configError("Config.App", "longer than %d characters", maxApp)
	}
	for i := range len(c.App) {
		if !isNameByte(c.App[i]) {
			return configError("Config.App", "only letters, digits, - and _ may stand in %q", c.App)
		}
	}
	for _, suffix := range []string{renewalSuffix, anonymousSuffix} {
		if strings.HasSuffix(c.App, suffix) {
			return configError("Config.App", "%q ends in %q, which names a cookie of another application", c.App, suffix)
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
		return configError("Config.SameSite", "%d is none of http.SameSite's modes", c.SameSite)
	}
	if c.InsecureHTTP && c.SameSite == http.SameSiteNoneMode {
		return configError("Config.SameSite", "browsers refuse None with InsecureHTTP")
	}
	if c.InsecureHTTP && c.Partitioned {
		return configError("Config.Partitioned", "browsers refuse it with InsecureHTTP")
	}
	if c.MaxCookies < 1 || c.MaxCookies > maxCookies {
		return configError("Config.MaxCookies", "%d is not between 1 and %d", c.MaxCookies, maxCookies)
	}
	return nil
}

// validDomain accepts a host name of two labels or more: a single label, an address and a leading dot are
// refused or ignored by browsers, which would lose the session without a word.
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
			return configError(field+"Idle", "%v is above the list's MaxIdle of %v, so a revocation could be forgotten before the session ends", l.Idle, maxIdle)
		case l.Absolute < l.Idle:
			return configError(field+"Absolute", "%v is less than the idle limit of %v", l.Absolute, l.Idle)
		case l.Absolute > maxSession:
			return configError(field+"Absolute", "%v is above the ring's max_session of %v, so a rotation could end it; 'wafer keys extend' raises that", l.Absolute, maxSession)
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

func configError(field, format string, args ...any) error {
	return fmt.Errorf("httpmw: %s: %s", field, fmt.Sprintf(format, args...))
}
