package oauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/wafer-sessions/wafer/httpmw"
)

// description is what is answered about a token (RFC 7662 section 2.2). amr has the name and the form
// of the claim of an ID token; introspection has no member of its own for it.
type description struct {
	Active   bool     `json:"active"`
	Type     string   `json:"token_type,omitempty"`
	Audience string   `json:"aud,omitempty"`
	Expires  int64    `json:"exp,omitempty"`
	AuthTime int64    `json:"auth_time,omitempty"`
	Methods  []string `json:"amr,omitempty"`
	Subject  string   `json:"sub,omitempty"`
	Session  string   `json:"sid,omitempty"`
}

// Introspect answers whether a token is good: RFC 7662.
func (e *Endpoints) Introspect(w http.ResponseWriter, r *http.Request) {
	begin(w)
	_, t, refused := e.receive(w, r)
	if refused != nil {
		e.introspected.refuse(w, refused)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	s, err := e.look(ctx, t)
	switch {
	case errors.Is(err, httpmw.ErrUnavailable), err == nil && e.config.FreshList && !s.Fresh():
		e.introspected.refuse(w, unavailable("It is not known now whether the token is good. Ask again."))
	case err != nil:
		e.introspected.add(inactive)
		writeJSON(w, http.StatusOK, description{})
	default:
		e.introspected.add(active)
		writeJSON(w, http.StatusOK, e.describe(t, s))
	}
}

func (e *Endpoints) describe(t token, s session) description {
	idle, _ := s.Deadlines()
	d := description{Active: true, Type: "Bearer", Audience: e.app, Expires: idle.Unix(), AuthTime: s.LoginTime().Unix(), Methods: s.Methods()}
	if t.kind == cookies {
		d.Type = "N_A"
	}
	if e.config.Identify {
		d.Subject, d.Session = s.Subject(), s.ID()
	}
	return d
}

// look returns the session of a token, or why it is not good: ErrUnavailable if that is not known.
func (e *Endpoints) look(ctx context.Context, t token) (s session, err error) {
	err = e.withKey(ctx, func() error {
		switch {
		case t.kind == bearer:
			s, err = e.of.check(ctx, t.first)
		case t.kind == cookies && e.config.Cookies:
			s, err = e.of.checkCookies(ctx, t.first, t.others...)
		default:
			err = httpmw.ErrInvalid
		}
		return err
	})
	return s, err
}

// withKey does something with a token. If the ring does not have the token's key, it looks for the key
// and tries once more: the ring may have been rotated a moment ago.
func (e *Endpoints) withKey(ctx context.Context, do func() error) error {
	err := do()
	if !errors.Is(err, httpmw.ErrUnknownKey) {
		return err
	}
	select {
	case e.looking <- struct{}{}:
		defer func() { <-e.looking }()
	default:
		return httpmw.ErrUnavailable
	}
	if e.ring.Refresh(ctx) != nil {
		return httpmw.ErrUnavailable
	}
	return do()
}
