package console

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/replica"
)

//go:embed page
var files embed.FS

var pages = template.Must(template.ParseFS(files, "page/index.html"))

// assets returns the files that the page loads, with their types: all of them but the page itself.
func assets() map[string]string {
	entries, err := files.ReadDir("page")
	if err != nil { // it is embedded
		panic(err)
	}
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	all := map[string]string{}
	for _, e := range entries {
		if contentType, ok := types[path.Ext(e.Name())]; ok {
			all[e.Name()] = contentType
		}
	}
	return all
}

// file serves a file of the page.
func file(name, contentType string) http.HandlerFunc {
	body, err := files.ReadFile("page/" + name)
	if err != nil { // the file is not embedded: a mistake in this package
		panic(err)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
}

// view is what the template shows.
type view struct {
	Name    string // of the operator; "": nobody is signed in
	Roles   []admin.Role
	Form    bool   // operators sign in and out here; false: Authorize decides
	Prompt  string // a sentence about what happened, or ""
	Version string // of Wafer
}

func (c *console) show(w http.ResponseWriter, status int, v view) {
	v.Form, v.Version = c.sessions != nil, replica.ModuleVersion()
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, "index.html", v); err != nil { // the template is wrong
		panic(err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // an error means that the browser is gone
}

// page serves the application to an operator, and the form to everybody else.
func (c *console) page(w http.ResponseWriter, r *http.Request) {
	if refuseInURL(r) {
		c.show(w, http.StatusBadRequest, view{Prompt: inURL})
		return
	}
	if c.sessions == nil {
		caller, refused := c.api.Admit(r, admin.RoleRead)
		if refused != nil {
			c.show(w, refused.Status, view{Prompt: "You may not use this console. " + refused.Detail})
			return
		}
		c.show(w, http.StatusOK, view{Name: caller.Name, Roles: caller.Roles})
		return
	}
	s := c.sessions.From(r.Context())
	if !s.LoggedIn() {
		c.show(w, http.StatusOK, view{Prompt: farewell(s.Err())})
		return
	}
	caller, refused := c.api.Admit(r, admin.RoleRead)
	switch {
	case refused == nil:
		c.show(w, http.StatusOK, view{Name: caller.Name, Roles: caller.Roles})
	case presents(r):
		c.show(w, refused.Status, view{Prompt: refused.Detail})
	default: // the token was taken out
		_ = s.Logout(c.by(r, strings.TrimPrefix(s.Subject(), subject), "the token is not valid any more")) // an error: the token is refused all the same
		c.show(w, http.StatusOK, view{Prompt: "The token that you signed in with is not valid any more. Sign in with another one."})
	}
}

// farewell says why there is no session.
func farewell(err error) string {
	switch {
	case errors.Is(err, httpmw.ErrUnavailable):
		return "The store of the list does not answer, so it is not known whether your session was revoked. It goes on when the store is back. Until then, call the API with a token."
	case errors.Is(err, httpmw.ErrExpired):
		return "You were signed out because the console was not used for a while, or because you had signed in 8 hours before. Sign in again."
	case errors.Is(err, httpmw.ErrReauthenticate):
		return "An operator asked for a new login, and that includes you. Sign in to go on."
	case errors.Is(err, httpmw.ErrRevokedKey):
		return "The key that sealed your session was revoked. Sign in again."
	case errors.Is(err, httpmw.ErrRevokedEveryone):
		return "All sessions were revoked, and yours was one of them. Sign in again."
	case errors.Is(err, httpmw.ErrRevoked):
		return "Your session was revoked. Sign in again."
	case err != nil:
		return "Your session cannot be used any more. Sign in again."
	}
	return ""
}
