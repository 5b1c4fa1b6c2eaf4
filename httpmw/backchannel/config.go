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

// Config says whose logout tokens are believed. Issuer and ClientIDs are required.
type Config struct {
	// Issuer is the provider's issuer identifier, which "iss" must equal byte for byte.
	Issuer string

	// ClientIDs are the ids under which the provider knows the application; "aud" must hold one of them.
	ClientIDs []string

	// JWKSURL is where the provider's keys are. Zero: what the discovery document below Issuer says, which may be an address on this machine
	// only if Issuer is one.
	JWKSURL string

	// HTTPClient fetches the keys. Its CheckRedirect is not used: redirects are followed on one host only. Zero: http.DefaultTransport.
	HTTPClient *http.Client

	// Algorithms are the JWS algorithms that are believed: of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA
	// (Ed25519). Zero: RS256, PS256, ES256 and EdDSA.
	Algorithms []string

	// Leeway is by how much the provider's clock may differ from ours, at most 5 min. Zero: 1 min.
	Leeway time.Duration

	// MaxAge is how long after "iat" a token is believed, and how far ahead its "exp" may lie, at most 1 h. Zero: 5 min.
	MaxAge time.Duration

	// AllowUntyped also believes tokens whose header has no "typ", or "JWT", as older providers send them. What tells them from ID tokens
	// is then only that they have the logout event and no nonce. Zero: the type must be logout+jwt.
	AllowUntyped bool

	// InsecureHTTP lets the keys come over plain http. Whoever is on the way can then sign logout tokens. Zero: https, or a loopback
	// address.
	InsecureHTTP bool

	// OnLogout is told of each token when the list has acknowledged it, before the provider gets its answer: for an audit log or tables of
	// the application's own. It is told at least once. Zero: nobody is told.
	OnLogout func(ctx context.Context, l Logout)

	// Logger receives refusals at debug level and one warning a minute of each kind; never a token, a session or a user. Zero: slog.Default().
	Logger *slog.Logger
}

// A Logout is what a good token said.
type Logout struct {
	Issuer  string
	Session string `json:"-"` // "sid" at the provider, "" if the token has none
	Subject string `json:"-"` // "sub" at the provider, "" if the token has none
}

// String leaves session and subject out: logouts get logged.
func (l Logout) String() string { return "backchannel.Logout of " + l.Issuer }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (l Logout) Format(f fmt.State, _ rune) { io.WriteString(f, l.String()) }

const (
	defaultLeeway = time.Minute
	maxLeeway     = 5 * time.Minute
	defaultMaxAge = 5 * time.Minute
	maxMaxAge     = time.Hour
)

// New returns the handler for the address that the provider knows as backchannel_logout_uri. It refuses the list made by
// [revocation.Disabled], which could not do what the provider is promised. It asks nobody for anything yet, starts nothing and has nothing to
// close.
func New(l *revocation.List, c Config) (*Receiver, error) {
	switch {
	case l == nil:
		return nil, errors.New("backchannel: a list is required")
	case !l.Replica().Enabled():
		return nil, fmt.Errorf("backchannel: logout needs a list: %w", revocation.ErrDisabled)
	case c.Issuer == "":
		return nil, errors.New("backchannel: Issuer is required")
	case len(c.ClientIDs) == 0 || slices.Contains(c.ClientIDs, ""):
		return nil, errors.New("backchannel: ClientIDs must name at least one client, and none that is empty")
	case c.Leeway < 0 || c.Leeway > maxLeeway:
		return nil, fmt.Errorf("backchannel: Leeway is %v, and may be up to %v", c.Leeway, maxLeeway)
	case c.MaxAge < 0 || c.MaxAge > maxMaxAge:
		return nil, fmt.Errorf("backchannel: MaxAge is %v, and may be up to %v", c.MaxAge, maxMaxAge)
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
		if _, known := algorithms[name]; !known { // "none" and HMAC, whose key would be the provider's public one, are not
			return nil, fmt.Errorf("backchannel: %q is no algorithm that can be believed", name)
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

// checkURL keeps keys from coming over a wire on which others can replace them.
func checkURL(raw string, insecure bool) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("backchannel: Issuer or JWKSURL is no address of a server")
	case u.Scheme == "https", u.Scheme == "http" && (insecure || loopback(u.Hostname())):
		return nil
	}
	return errors.New("backchannel: the provider's keys must come over https; InsecureHTTP allows http")
}

// onThisMachine also knows the other spellings that lead to it.
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
