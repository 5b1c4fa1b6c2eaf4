// Package admin is the HTTP API with which operators revoke sessions, look up revocations, see how the
// replicas stand and rotate keys.
//
// [New] makes its handler. Mount it on a listener of its own, on loopback or behind your operators'
// network, not on the origin of the application: anybody who reaches it with the token can log
// everybody out.
//
//	POST /revocations          {"scope", "id", "before"?, "wait"?, "reason"?, "actor"?, "dry_run"?}  revoke
//	GET  /revocations          ?limit, before, scope                                the log, newest first
//	POST /revocations/many     {"scope", "reason"?, "actor"?, "dry_run"?}, then a line for each id  revoke up to a million past the log
//	POST /revocations/lookup   {"scope", "id"}                                      is it revoked, since and until when
//	GET  /status               the list as this replica sees it
//	GET  /replicas             every replica that reads the list
//	GET  /keys                 the ring, without secrets, and which replicas have and use each key
//	POST /keys/rotate          {"after"?, "immediate"?, "if_older_than"?, "reason"?, "actor"?}  add a key
//	POST /keys/cancel          {"reason"?, "actor"?}                                take back the key that is waiting
//	POST /keys/prune           {"reason"?, "actor"?}                                remove the keys that expired
//	POST /keys/extend          {"max_session", "reason"?, "actor"?}                 allow longer sessions
//	POST /keys/{kid}/revoke    {"key_only"?, "reason"?, "actor"?}                   refuse what a key sealed
//	GET  /audit                the newest audit records of this replica
//	GET  /openapi.json         a description of all of this, for programs
//	GET  /livez, /readyz       whether this process runs, and is ready for requests
//
// # Authentication
//
// Every request but those for /livez and /readyz, whatever its path and method, needs a bearer token
// or the consent of [Config.Authorize]. The caller must have the role that the path needs: "revoke"
// for POST /revocations and /revocations/many, "keys" for POST below /keys, and any role for the rest. A request must also
// name one of [Config.Hosts]: a page whose name was made to resolve to this machine (DNS rebinding)
// cannot do that. And it must not come from a page of another origin
// ([http.CrossOriginProtection]). Bodies are application/json, small, and have no unknown
// members. That of POST /revocations/many is application/x-ndjson, of at most 64 MiB
// that arrive within two minutes.
//
// # Health
//
// GET /livez and GET /readyz need no token and no name in the Host header: a load balancer or a
// kubelet has neither. They tell one word, and cost no I/O. /livez answers 200 for as long as this
// process serves requests. /readyz answers 503 until this replica has read the list for the first
// time, and again as soon as it shuts down.
//
// A replica that loses the store later stays ready. Every replica loses it at the same moment, so
// readiness would turn an outage of the store into an outage of the site. Until then sessions that the
// replica can check from memory keep working; GET /status and the metrics show the state.
//
// # Answers
//
// Answers are JSON and are never cached. Every error is a problem document (RFC 9457). Its member
// "detail" is for people, and "code" is for programs. 503 comes with Retry-After.
//
//	body          400  the body is not one JSON object of known members; the detail names the member
//	unauthorized  401  the token is missing or wrong
//	cross_origin  403  a browser sent the request for a page of another origin
//	role          403  the caller does not have the role that the path needs
//	not_found     404  the API has no such path
//	no_key        404  the ring has no such key
//	method        405  the path does not have this method
//	busy          409  this replica has been revoking many for more than 10 s, or has no memory for more ids
//	pending       409  a new key is waiting already
//	no_pending    409  no new key is waiting, or it begins to seal within a minute
//	full          409  the ring holds as many keys as it can
//	shorter       409  the ring allows longer sessions already
//	under_way     409  another revocation is ending these sessions one after another ("over")
//	in_use        409  a living session may still need a key that expired
//	too_large     413  the body is too long
//	media_type    415  the body is not application/json
//	lines         422  some lines of the body are no ids; "lines" says which
//	invalid       422  a member has a value that is not allowed
//	future        422  "before" is in the future
//	host          421  the API does not serve the name in the Host header
//	limited       429  too many requests were refused
//	disabled      501  the application has no revocation list
//	no_trail      501  this replica keeps no audit records in memory
//	read_only     501  this replica cannot change its ring
//	unavailable   503  the store did not answer
//	closed        503  this replica is shutting down; nothing was done
//	not_ready     503  this replica has not reached the store since it started; nothing was done
//	outbox_full   503  the store does not answer, and too many revocations wait for it; nothing was done
//	ring          503  the ring could not be changed where it is kept
//
// "unavailable" for a revocation means that this replica enforces it already and keeps trying to store
// it. Other replicas may not know of it yet, so ask again. For a question it means only that there is
// no answer. GET /status answers without the store.
//
// With "wait": "fleet" a revocation is answered when every replica that is registered with the store
// has read it, or after 8 s. The member "fleet" of the answer says how many refuse, after how many
// milliseconds, and names those that have not confirmed it. The status is 200 in both cases, because
// the revocation is made; look at "complete".
//
// With "dry_run": true nothing is revoked, and nothing is written. The answer says what would be
// revoked: whether that changes the list, and for everyone about how many are signed in. What the
// revocation would be refused for, the dry run is refused for as well.
//
// Revoking a key changes the ring first. After "unavailable" or "disabled" the key is revoked in the
// ring all the same.
//
// # Audit
//
// Each revocation, each change of the ring and each refused call is one record (package audit). The
// list writes those of revocations, to revocation.Config.Audit, and the API the others, to
// [Config.Audit]. The actor is the name of the token, or what [Config.Authorize] returned. If the body
// names an actor, the record has it as "claimed_actor", which nobody checked.
//
// A dry run changes nothing and has no record, unless it is refused.
//
// Of refused calls, ten at once and then one a second have a record, and each record says how many
// before it had none.
package admin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/secrets"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"golang.org/x/sync/semaphore"
)

// MinToken is the shortest token that New accepts, in bytes: 18 random bytes in base64.
const MinToken = secrets.Min

// timeout is how long one request may wait for the store or the ring.
const timeout = 10 * time.Second

// Config configures New. Exactly one of Tokens, Token and Authorize is required.
type Config struct {
	// Tokens are what callers send as "Authorization: Bearer <token>", each with a name and roles. "wafer
	// admin token" and [NewToken] make one, and [ParseTokens] reads them from a file. Zero: Token or
	// Authorize decides.
	Tokens []Token

	// Token is one token that may do everything, in plain text. Make it from random bytes. It needs at
	// least MinToken bytes; one that repeats itself, or has fewer than 8 different bytes, is refused. Zero: Tokens or Authorize decides.
	Token string `json:"-"`

	// Actor is the name of the holder of Token in the audit records. Zero: "admin".
	Actor string

	// Authorize authenticates callers in place of tokens: by client certificate, by a proxy in front,
	// by your own sessions. An error is answered with 401, or with 503 if it is
	// [revocation.ErrUnavailable]. Authorize must not change the request. Zero: Tokens or Token decides.
	Authorize func(*http.Request) (Caller, error)

	// Recall returns the token that the caller of a request without an Authorization header signed in
	// with before: package console keeps its name and its SHA-256 in a session. The caller has the
	// roles of that token in Tokens, and is refused if it is not there any more. Errors are those of
	// Authorize. Zero: every request brings its token.
	Recall func(*http.Request) (Token, error)

	// Hosts are the names, without port, that the Host header of a request may have. Zero: localhost
	// and loopback addresses.
	Hosts []string

	// Audit receives the records of changes of the ring and of refused calls (package audit). Those of
	// revocations go to revocation.Config.Audit. If it is an *audit.Trail, GET /audit shows what that
	// keeps. Zero: the handler of slog.Default().
	Audit slog.Handler
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (c Config) Format(f fmt.State, _ rune) { io.WriteString(f, "admin.Config") }

// New makes the API over one replica's list and the ring. It rotates and revokes keys only if k is
// a [keys.Editor]. The handler serves paths from its own root; mount it below a prefix with
// [http.StripPrefix]. It is safe for concurrent use.
func New(l *revocation.List, k keys.Source, c Config) (*API, error) {
	switch {
	case l == nil || k == nil:
		return nil, errors.New("admin: New: the list and the source of keys must not be nil (revocation.Disabled makes a list that revokes nothing)")
	case c.Token == "" && len(c.Tokens) == 0 && c.Authorize == nil:
		return nil, errors.New("admin: Config needs Tokens, Token or Authorize: refusing to serve without authentication")
	case c.Token != "" && len(c.Tokens) > 0 || c.Authorize != nil && (c.Token != "" || len(c.Tokens) > 0):
		return nil, errors.New("admin: Config has two of Tokens, Token and Authorize; choose one")
	}
	if c.Recall != nil && c.Authorize != nil {
		return nil, errors.New("admin: Config.Recall is about tokens, and Config.Authorize decides in their place; choose one")
	}
	if c.Token != "" {
		if err := secrets.Check(c.Token); err != nil {
			return nil, fmt.Errorf("admin: Config.Token %w", err)
		}
	}
	a := &API{list: l, keys: k, authorize: c.Authorize, recall: c.Recall, hosts: hostSet(c.Hosts), audit: audit.Handler(c.Audit, nil),
		bulk: semaphore.NewWeighted(1), room: semaphore.NewWeighted(2 * (maxBulk + piece))}
	if a.authorize == nil {
		if a.tokens = slices.Clone(c.Tokens); c.Token != "" {
			a.tokens = []Token{{cmp.Or(c.Actor, "admin"), allRoles, sha256.Sum256([]byte(c.Token))}}
		}
		if err := checkTokens(a.tokens); err != nil {
			return nil, err
		}
		a.authorize = a.byToken
	}
	return a, nil
}

// An API serves the API over one replica's list and the ring.
type API struct {
	list      *revocation.List
	keys      keys.Source
	tokens    []Token
	authorize func(*http.Request) (Caller, error)
	recall    func(*http.Request) (Token, error) // nil: every request brings its token
	hosts     map[string]bool                    // nil: loopback
	csrf      http.CrossOriginProtection
	audit     slog.Handler
	bulk      *semaphore.Weighted // held by the one call of revokeMany that revokes
	room      *semaphore.Weighted // bytes for the bodies of revokeMany
	strangers limiter             // of records of refused strangers
	denials   limiter             // of records of callers who lack a role
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (a *API) Format(f fmt.State, _ rune) { io.WriteString(f, "admin.API") }

// call is one authenticated request.
type call struct {
	*http.Request
	w      http.ResponseWriter
	caller Caller
	kid    string
}

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")

	if a.probed(w, r) {
		return
	}
	caller, refused := a.guard(r)
	if refused != nil {
		refused.ServeHTTP(w, r)
		return
	}
	rt, kid, refused := find(r)
	if refused == nil {
		refused = a.permit(r, caller, rt.role)
	}
	if refused != nil {
		refused.ServeHTTP(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	answer, err := rt.serve(a, &call{Request: r.WithContext(ctx), w: w, caller: caller, kid: kid})
	if err != nil {
		problemOf(err).ServeHTTP(w, r)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", answer)
}
