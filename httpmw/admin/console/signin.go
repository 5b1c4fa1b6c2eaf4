package console

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/revocation"
)

const (
	maxForm = 8 << 10

	// subject begins the subjects of the console's sessions, so that to revoke a user of the application
	// does not end those of an operator of the same name.
	subject = App + ":"
)

// formTime is how long a form may take to arrive.
var formTime = 10 * time.Second

// operator is what a session holds. Its subject names the token.
type operator struct {
	SHA256 []byte `json:"sha256"` // of the token
}

// keep is for a Reload, which has nothing to load.
func keep(_ context.Context, s *httpmw.Session[operator]) (operator, error) { return s.Value(), nil }

// recall returns the token that the operator signed in with.
func (c *console) recall(r *http.Request) (t admin.Token, err error) {
	s := c.sessions.From(r.Context())
	switch {
	case errors.Is(s.Err(), httpmw.ErrUnavailable):
		return t, revocation.ErrUnavailable
	case !s.LoggedIn():
		return t, httpmw.ErrNoLogin
	}
	t.Name = strings.TrimPrefix(s.Subject(), subject)
	if copy(t.SHA256[:], s.Value().SHA256) != len(t.SHA256) {
		return t, httpmw.ErrNoLogin
	}
	return t, nil
}

// inURL says what to do about a token that is in an address.
const inURL = "Never put a token into an address. This one is now in the history of the browser and in logs: replace it."

// refuseInURL reports whether somebody put a token into the address.
func refuseInURL(r *http.Request) bool {
	q := r.URL.Query()
	return q.Has("token") || q.Has("access_token")
}

func (c *console) signIn(w http.ResponseWriter, r *http.Request) {
	token, sentence := readToken(w, r)
	if sentence != "" {
		c.show(w, http.StatusBadRequest, view{Prompt: sentence})
		return
	}
	call := r.Clone(r.Context())
	call.Header.Set("Authorization", "Bearer "+token)
	caller, refused := c.api.Admit(call, admin.RoleRead)
	if refused != nil {
		c.refuseSignIn(w, refused)
		return
	}
	sum := sha256.Sum256([]byte(token))
	if err := c.begin(r, httpmw.Identity{Subject: subject + caller.Name}, operator{sum[:]}, "signing in to the console"); err != nil {
		w.Header().Set("Retry-After", "2")
		c.show(w, http.StatusServiceUnavailable, view{Prompt: "Your token is right, but no session can begin now, because the store of the list does not answer. Try again in a moment. Until then, the wafer command and the API take the token itself."})
		return
	}
	home(w, r)
}

// readToken returns the token in a form, or a sentence that says what is wrong.
func readToken(w http.ResponseWriter, r *http.Request) (token, sentence string) {
	conn := http.NewResponseController(w) // the server may have no limit of its own
	_ = conn.SetReadDeadline(time.Now().Add(formTime))
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if refuseInURL(r) {
		return "", inURL
	}
	if err := r.ParseForm(); err != nil || len(r.PostForm["token"]) != 1 {
		return "", "The form did not arrive whole. Try again." // the server must not wait for the rest, so the limit stays
	}
	_ = conn.SetReadDeadline(time.Time{})
	return strings.TrimSpace(r.PostForm["token"][0]), ""
}

// by returns the context of what an operator does.
func (c *console) by(r *http.Request, name, reason string) context.Context {
	return audit.With(r.Context(), audit.By{Actor: name, Address: r.RemoteAddr, Via: audit.ViaAdmin, Reason: reason})
}

// begin begins a session for the holder of a token.
func (c *console) begin(r *http.Request, id httpmw.Identity, who operator, why string) error {
	ctx := c.by(r, strings.TrimPrefix(id.Subject, subject), why)
	s := c.sessions.From(ctx)
	err := s.Login(ctx, id)
	if errors.Is(err, httpmw.ErrRevoked) { // the session before is gone, and now one can begin
		err = s.Login(ctx, id)
	}
	if err == nil {
		err = s.Set(who)
	}
	if err == nil {
		audit.Record{Action: audit.SignIn}.Write(ctx, c.audit)
	}
	return err
}

func (c *console) refuseSignIn(w http.ResponseWriter, refused *admin.Refusal) {
	v := view{Prompt: refused.Detail}
	switch refused.Status {
	case http.StatusUnauthorized:
		v.Prompt = "That token is not right. Paste all of it, as it was handed to you."
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
		v.Prompt = "That token is not right, and there were too many wrong ones. Wait some seconds. The right one works at once."
	}
	c.show(w, refused.Status, v)
}

func (c *console) signOut(w http.ResponseWriter, r *http.Request) {
	s := c.sessions.From(r.Context())
	if err := s.Logout(c.by(r, strings.TrimPrefix(s.Subject(), subject), "signing out of the console")); err != nil {
		c.show(w, http.StatusServiceUnavailable, view{Prompt: "You are signed out here. The store of the list does not answer, so other replicas may accept a copy of your session until it does."})
		return
	}
	home(w, r)
}
