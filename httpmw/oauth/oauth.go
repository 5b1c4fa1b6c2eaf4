package oauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/foreign"
	"github.com/wafer-sessions/wafer/internal/lograte"
	"github.com/wafer-sessions/wafer/internal/secrets"
	"github.com/wafer-sessions/wafer/revocation"
)

// MinSecret is the shortest secret of a client, in bytes: 18 random bytes in base64.
const MinSecret = secrets.Min

// timeout is how long one request may wait for the list or the ring.
const timeout = 10 * time.Second

// mostLooking is how many requests may look for a key at once, which takes them about a second.
const mostLooking = 64

// Config configures New. Exactly one of Clients and Authenticate is required.
type Config struct {
	// Clients are the secrets of the callers, by their client id. A caller sends them as HTTP Basic
	// authentication (RFC 6749 section 2.3.1). A secret needs at least MinSecret bytes, and is
	// compared in constant time. One that repeats itself, or has fewer than 8 different bytes, is refused. Zero: Authenticate decides.
	Clients map[string]string `json:"-"`

	// Authenticate authenticates callers in place of Clients: by client certificate, by a proxy in
	// front, by a bearer token. It returns the caller's name, for audit records. An error is answered with
	// 401. It must not read the body. Zero: Clients decides.
	Authenticate func(*http.Request) (client string, err error)

	// Cookies also accepts the cookies of browsers. The caller must then look at token_type, so that
	// it takes no cookie for a bearer token. Zero: only tokens of Manager.Issue.
	Cookies bool

	// Identify adds the subject and the id of the session to what is answered about an active token.
	// Every caller learns them. Zero: callers learn only that the token is good.
	Identify bool

	// FreshList answers 503 while the list is older than its Within. It is for callers that would
	// rather refuse everybody than accept a revoked session for some minutes. Zero: a replica that is
	// cut off decides as the application does.
	FreshList bool

	// Logger receives wrong secrets of clients, other refused authentications, and revocations that are
	// not acknowledged, one line a minute of each. It never receives a token, a secret or a subject. Zero: the logger of the
	// Manager.
	Logger *slog.Logger
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (c Config) Format(f fmt.State, _ rune) { io.WriteString(f, "oauth.Config") }

// Endpoints are the two handlers. They are safe for concurrent use.
type Endpoints struct {
	config Config
	app    string
	of     manager
	ring   interface{ Refresh(context.Context) error }
	known  map[string][sha256.Size]byte // digests of the secrets, by client
	scheme string                       // of authentication, for WWW-Authenticate
	csrf   http.CrossOriginProtection
	rate   lograte.Limiter

	introspected, revoked counter

	looking chan struct{} // holds one for each request that looks for a key
}

// manager is an httpmw.Manager with any type of data.
type manager struct {
	check         func(ctx context.Context, bearer string) (session, error)
	checkCookies  func(ctx context.Context, cookie string, others ...string) (session, error)
	revoke        func(ctx context.Context, bearer string) error
	revokeCookies func(ctx context.Context, cookie string, others ...string) error
}

// session is an httpmw.Session with any type of data.
type session interface {
	ID() string
	Subject() string
	LoginTime() time.Time
	Methods() []string
	Deadlines() (idle, absolute time.Time)
	Fresh() bool
}

// New returns the endpoints for the tokens of m. It refuses a Manager over the list made by
// [revocation.Disabled], which revokes nothing. It starts nothing, and there is nothing to close.
func New[T any](m *httpmw.Manager[T], c Config) (*Endpoints, error) {
	if m == nil {
		return nil, errors.New("oauth: New: nil Manager")
	}
	f := m.Foreign()
	if !f.Replica.Enabled() {
		return nil, fmt.Errorf("oauth: New: revocation needs a revocation list: %w", revocation.ErrDisabled)
	}
	return newEndpoints(f, c, manager{
		check: func(ctx context.Context, bearer string) (session, error) {
			s, err := m.Check(ctx, bearer)
			return s, err
		},
		checkCookies: func(ctx context.Context, cookie string, others ...string) (session, error) {
			s, err := m.CheckCookies(ctx, cookie, others...)
			return s, err
		},
		revoke:        m.Revoke,
		revokeCookies: m.RevokeCookies,
	})
}

func newEndpoints(f foreign.Manager, c Config, of manager) (*Endpoints, error) {
	if (len(c.Clients) == 0) == (c.Authenticate == nil) {
		return nil, errors.New("oauth: Config needs either Clients or Authenticate: refusing to serve without authentication")
	}
	e := &Endpoints{
		config: c, app: f.App, of: of, ring: f.Keys, scheme: `Bearer realm="wafer"`, looking: make(chan struct{}, mostLooking),
		introspected: newCounter(active, inactive), revoked: newCounter(ended, ignored, unsupportedType),
	}
	if e.config.Logger == nil {
		e.config.Logger = f.Logger
	}
	if c.Authenticate != nil {
		return e, nil
	}
	e.known, e.scheme = make(map[string][sha256.Size]byte, len(c.Clients)), `Basic realm="wafer", charset="UTF-8"`
	for id, secret := range c.Clients {
		if id == "" {
			return nil, errors.New("oauth: Config.Clients: a client has an empty id")
		}
		if err := secrets.Check(secret); err != nil {
			return nil, fmt.Errorf("oauth: Config.Clients: the secret of %q %w", id, err)
		}
		e.known[id] = sha256.Sum256([]byte(secret))
	}
	e.config.Clients, e.config.Authenticate = nil, e.byPassword
	return e, nil
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (e *Endpoints) Format(f fmt.State, _ rune) { io.WriteString(f, "oauth.Endpoints") }
