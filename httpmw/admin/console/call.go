package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// call serves a call of the API. A revocation of everyone or of a key also ends the session of the
// operator who makes it. Then another session begins in its place, for the rest of its time: the token
// was just found good.
func (c *console) call(w http.ResponseWriter, r *http.Request) {
	if c.sessions == nil || presents(r) || !revokes(r) {
		c.api.ServeHTTP(w, r)
		return
	}
	s := c.sessions.From(r.Context())
	held := held{ResponseWriter: w}
	id, who := identity(s), s.Value()
	var asked bytes.Buffer // as much as the API reads
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r.Body, &asked), r.Body}
	c.api.ServeHTTP(&held, r)
	if held.status == http.StatusOK && s.LoggedIn() {
		// What others revoke meanwhile ends the session for good: who calls may hold a copy of its cookie.
		if err := s.Set(who); err != nil && ends(r.URL.Path, asked.Bytes(), err) {
			_ = c.begin(r, id, who, "the session before was ended by this operator's own revocation") // otherwise the operator has to sign in
		}
	}
	held.release()
}

// presents reports whether a request presents a token, which decides then, and no session.
func presents(r *http.Request) bool { return len(r.Header.Values("Authorization")) > 0 }

// revokes reports whether a request may revoke everyone or a key.
func revokes(r *http.Request) bool {
	return r.Method == http.MethodPost &&
		(r.URL.Path == "/revocations" || strings.HasPrefix(r.URL.Path, "/keys/") && strings.HasSuffix(r.URL.Path, "/revoke"))
}

// ends reports whether a call that succeeded ends every session, or those of its key, for the reason why.
func ends(path string, body []byte, why error) bool {
	everyone := errors.Is(why, httpmw.ErrRevokedEveryone)
	if path == "/revocations" {
		var asked adminapi.Revocation
		return everyone && json.Unmarshal(body, &asked) == nil && asked.Scope == revlog.ScopeEveryone.String() && !asked.DryRun &&
			asked.Over == nil && (asked.Effect == "" || asked.Effect == revlog.End.String())
	}
	var asked adminapi.KeyRevocation
	_ = json.Unmarshal(body, &asked) // an error: the body is empty
	return errors.Is(why, httpmw.ErrRevokedKey) || everyone && !asked.KeyOnly
}

// identity returns who goes on when a session is replaced by another one.
func identity(s *httpmw.Session[operator]) httpmw.Identity {
	_, until := s.Deadlines()
	return httpmw.Identity{Subject: s.Subject(), Until: until}
}

// held keeps a short answer back, so that cookies can be added to it.
type held struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *held) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

func (h *held) Write(p []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(p)
}

// Unwrap is for http.ResponseController.
func (h *held) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *held) release() {
	if h.status == 0 {
		return
	}
	h.ResponseWriter.WriteHeader(h.status)
	_, _ = h.ResponseWriter.Write(h.body.Bytes()) // an error means that the caller is gone
}
