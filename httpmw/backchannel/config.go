package backchannel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
)

// Config configures a [Receiver]. Issuer and ClientIDs are required.
type Config struct {
	// Issuer is the provider's issuer identifier. "iss" must equal it byte for byte.
	Issuer string

	// ClientIDs are the ids under which the provider knows the application. "aud" must contain one
	// of them.
	ClientIDs []string

	// JWKSURL is the address of the provider's keys. Zero: the address in the discovery document
	// below Issuer, which may be on this machine only if Issuer is.
	JWKSURL string

	// HTTPClient fetches the keys. Its CheckRedirect is not used: redirects are followed only
	// within one host. Zero: a client with http.DefaultTransport.
	HTTPClient *http.Client

	// Algorithms are the accepted JWS algorithms, out of RS256, RS384, RS512, PS256, PS384, PS512,
	// ES256, ES384, ES512 and EdDSA (Ed25519). Zero: RS256, PS256, ES256 and EdDSA.
	Algorithms []string

	// Leeway is how far the provider's clock may differ from ours, at most 5 min. Zero: 1 min.
	Leeway time.Duration

	// MaxAge is how long after "iat" a token is accepted, and how far in the future its "exp" may
	// be, at most 1 h. Zero: 5 min.
	MaxAge time.Duration

	// AllowUntyped also accepts tokens whose header has no "typ", or "JWT", as older providers send
	// them. Only the logout event and the missing nonce then distinguish them from ID tokens. Zero:
	// the type must be logout+jwt.
	AllowUntyped bool

	// InsecureHTTP allows fetching the keys over plain http. An attacker on the network can then
	// sign logout tokens. Zero: https or a loopback address is required.
	InsecureHTTP bool

	// OnLogout is called for each token once the list has acknowledged the logout, and before the
	// provider gets its answer. It is for an audit log or tables of the application. It is called
	// at least once for each logout. Zero: not called.
	OnLogout func(ctx context.Context, l Logout)

	// Logger receives refusals at debug level, and one warning a minute for each kind of refusal.
	// It never receives a token, a session or a user. Zero: slog.Default().
	Logger *slog.Logger
}

// A Logout is what an accepted token says.
type Logout struct {
	Issuer  string
	Session string `json:"-"` // "sid" at the provider, "" if the token has none
	Subject string `json:"-"` // "sub" at the provider, "" if the token has none
}

// String omits session and subject, since logouts are logged.
func (l Logout) String() string { return "backchannel.Logout of " + l.Issuer }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (l Logout) Format(f fmt.State, _ rune) { io.WriteString(f, l.String()) }

const (
	defaultLeeway = time.Minute
	maxLeeway     = 5 * time.Minute
	defaultMaxAge = 5 * time.Minute
	maxMaxAge     = time.Hour
)

// New returns the handler for the address that the provider knows as backchannel_logout_uri. It
// refuses the list made by [revocation.Disabled], which could not do what the handler promises the
// provider. New connects to nothing, starts nothing, and the Receiver needs no closing.
func New(l *revocation.List, c Config) (*Receiver, error) {
	switch {
	case l == nil:
		return nil, errors.New("backchannel: nil revocation list")
	case !l.Replica().Enabled():
		return nil, fmt.Errorf("backchannel: logout needs a revocation list: %w", revocation.ErrDisabled)
	case c.Issuer == "":
		return nil, errors.New("backchannel: Config.Issuer is empty")
	case len(c.ClientIDs) == 0 || slices.Contains(c.ClientIDs, ""):
		return nil, errors.New("backchannel: Config.ClientIDs is empty or contains an empty id")
	case c.Leeway < 0 || c.Leeway > maxLeeway:
		return nil, fmt.Errorf("backchannel: Config.Leeway is %v, must be between 0 and %v", c.Leeway, maxLeeway)
	case c.MaxAge < 0 || c.MaxAge > maxMaxAge:
		return nil, fmt.Errorf("backchannel: Config.MaxAge is %v, must be between 0 and %v", c.MaxAge, maxMaxAge)
	}
	if c.Leeway == 0 {
		c.Leeway = defaultLeeway
	}
	if c.MaxAge == 0 {
		c.MaxAge = defaultMaxAge
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}
	}
	for _, name := range c.Algorithms {
		// not "none", and not HMAC, whose key would be the provider's public key
		if _, known := algorithms[name]; !known {
			return nil, fmt.Errorf("backchannel: Config.Algorithms: %q is not supported", name)
		}
	}
	fetched := c.JWKSURL
	if fetched == "" {
		fetched = c.Issuer
	}
	if err := checkURL(fetched, c.InsecureHTTP); err != nil {
		return nil, err
	}
	c.ClientIDs, c.Algorithms = slices.Clone(c.ClientIDs), slices.Clone(c.Algorithms)
	return &Receiver{list: l, config: c, provider: newProvider(c)}, nil
}

// checkURL refuses addresses from which an attacker on the network could send other keys.
func checkURL(raw string, insecure bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("backchannel: Config.Issuer or Config.JWKSURL is not the URL of a server")
	case u.Scheme == "https", u.Scheme == "http" && (insecure || loopback(u.Hostname())):
		return nil
	}
	return errors.New("backchannel: the provider's keys must come over https (Config.InsecureHTTP allows http)")
}

// onThisMachine reports whether raw leads to this machine, also in less common spellings.
func onThisMachine(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	addr, err := netip.ParseAddr(host)
	return loopback(host) || strings.HasSuffix(host, ".localhost") || err == nil && addr.IsUnspecified()
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
