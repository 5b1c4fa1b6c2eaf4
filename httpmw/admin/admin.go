// Package admin is the HTTP API through which operators revoke sessions, look a revocation up, see how a replica stands and rotate keys.
//
// [New] makes its handler. Mount it on a listener of its own, on loopback or behind your operators' network, not on the origin of
// the application: whoever reaches it with the token can log everybody out.
//
//	POST /revocations          {"scope", "id", "before"?, "reason"?}     revoke
//	POST /revocations/lookup   {"scope", "id"}                           is it revoked, and since when
//	GET  /status               the list as this replica sees it
//	GET  /replicas             every replica that reads the list
//	GET  /keys                 the ring, without secrets
//	POST /keys/rotate          {"after"?, "immediate"?, "reason"?}       add a key
//	POST /keys/{kid}/revoke    {"key_only"?, "reason"?}                  refuse what a key sealed
//	GET  /openapi.json         all of this for machines
//
// # Who may
//
// Every request, of whatever path and method, needs the bearer token, or the consent of [Config.Authorize]. A request must also name one
// of [Config.Hosts], which a page that had its own name resolved to this machine's address cannot do (DNS rebinding), and must not come
// from another origin by a browser ([http.CrossOriginProtection]). Bodies are application/json, small, and without unknown members.
//
// # Answers
//
// JSON, never cached. Every error is a problem document (RFC 9457). Its member "detail" is for people, and "code" for programs. 503 comes
// with Retry-After.
//
//	body          400  the body is not one JSON object of known members; the detail names the member
//	unauthorized  401  no token, or a wrong one
//	cross_origin  403  a browser sent the request for another origin
//	not_found     404  no such path
//	no_key        404  no such key in the ring
//	method        405  the path does not have this method
//	pending       409  a new key is waiting already
//	full          409  the ring holds as many keys as it may
//	too_large     413  the body is too long
//	media_type    415  the body is not application/json
//	invalid       422  a member has a value that cannot be
//	future        422  "before" lies in the future
//	host          421  the API does not go by the name in the Host header
//	limited       429  too many refused requests
//	disabled      501  the application has no list
//	read_only     501  this replica cannot change its ring
//	unavailable   503  the store did not answer
//	closed        503  this replica is shutting down; nothing was done
//	not_ready     503  this replica has not reached the store since it started; nothing was done
//	outbox_full   503  the store does not answer, and too many revocations wait for it; nothing was done
//	ring          503  the ring could not be changed where it is kept
//
// After "unavailable" for a change, the replica that was asked refuses already what was to be revoked and goes on trying, but nothing is
// promised for the others: ask again. For a question it means only that there is no answer. GET /status answers without the store.
//
// Revoking a key changes the ring first. After "unavailable" or "disabled" the key is revoked in the ring all the same.
//
// # Audit
//
// Each change and each refused authentication is one log line, with actor and reason. A line names the tag of what was revoked, which
// only the holder of the ring can compute, and never the id of a user.
package admin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// MinToken is the length in bytes below which New refuses a token: 18 random bytes in base64.
const MinToken = 24

// minDistinct is how many different bytes a token has at least. Of random tokens of MinToken bytes in base64 fewer than one in 10^14 has
// fewer, in hexadecimal one in 30,000.
const minDistinct = 8

// timeout bounds how long one request may wait for the store or the ring.
const timeout = 10 * time.Second

// Config is what New can be told. Token or Authorize is required, and not both.
type Config struct {
	// Token is what callers send as "Authorization: Bearer <Token>". Make it of random bytes. It must have MinToken bytes, and 8 different
	// ones. It is compared in constant time. Zero: Authorize decides.
	Token string `json:"-"`

	// Actor is what the audit log calls the holder of Token. Zero: "admin".
	Actor string

	// Authorize takes Token's place: client certificates, a proxy that authenticates, your own sessions. It returns the name under which
	// the audit log knows the caller; an error is answered with 401, and logged. It must not write to the request. Zero: Token decides.
	Authorize func(*http.Request) (actor string, err error)

	// Hosts are the names, without port, that the Host header of a request may have. Zero: localhost and loopback addresses.
	Hosts []string

	// Logger receives the audit log. Zero: slog.Default().
	Logger *slog.Logger
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (c Config) Format(f fmt.State, _ rune) { io.WriteString(f, "admin.Config") }

// New returns the API over one replica's list and the ring. Keys are rotated and revoked only where k is a [keys.Editor].
// The handler serves paths from its own root; mount it below a prefix with [http.StripPrefix]. It may be used concurrently.
func New(l *revocation.List, k keys.Source, c Config) (http.Handler, error) {
	switch {
	case l == nil || k == nil:
		return nil, errors.New("admin: a list and a source of keys are required")
	case c.Token == "" && c.Authorize == nil:
		return nil, errors.New("admin: neither Token nor Authorize is set, and nobody may call an API that anybody may call")
	case c.Token != "" && c.Authorize != nil:
		return nil, errors.New("admin: Token and Authorize are both set")
	case c.Token != "" && len(c.Token) < MinToken:
		return nil, fmt.Errorf("admin: Token has %d bytes, fewer than %d", len(c.Token), MinToken)
	case c.Token != "" && distinct(c.Token) < minDistinct:
		return nil, fmt.Errorf("admin: Token has fewer than %d different bytes, so it is not random", minDistinct)
	}
	a := &api{list: l, keys: k, actor: c.Actor, authorize: c.Authorize, hosts: hostSet(c.Hosts), log: c.Logger}
	if a.actor == "" {
		a.actor = "admin"
	}
	if a.log == nil {
		a.log = slog.Default()
	}
	if c.Token != "" {
		a.token = sha256.Sum256([]byte(c.Token))
		a.authorize = a.byToken
	}
	return a, nil
}

func distinct(s string) (n int) {
	var seen [256]bool
	for _, b := range []byte(s) {
		if !seen[b] {
			seen[b] = true
			n++
		}
	}
	return n
}

type api struct {
	list      *revocation.List
	keys      keys.Source
	token     [sha256.Size]byte
	actor     string
	authorize func(*http.Request) (string, error)
	hosts     map[string]bool // nil: loopback
	csrf      http.CrossOriginProtection
	refusals  limiter
	log       *slog.Logger
}

// Format implements [fmt.Formatter]: every verb prints the name of the package.
func (a *api) Format(f fmt.State, _ rune) { io.WriteString(f, "admin API") }

// call is one authenticated request on its way to its route.
type call struct {
	*http.Request
	w     http.ResponseWriter
	actor string
	kid   string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")

	actor, refused := a.guard(r)
	if refused != nil {
		refused.write(w)
		return
	}
	rt, kid, refused := find(r)
	if refused != nil {
		refused.write(w)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	answer, err := rt.serve(a, &call{Request: r.WithContext(ctx), w: w, actor: actor, kid: kid})
	if err != nil {
		problemOf(err).write(w)
		return
	}
	writeJSON(w, http.StatusOK, "application/json", answer)
}
