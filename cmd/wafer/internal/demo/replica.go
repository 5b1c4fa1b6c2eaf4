package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/revocation"
)

// app is the name of the cookies. Browsers keep cookies by host and not by port, so the name says which
// program they belong to.
const app = "wafer-demo"

// idle is short enough to see a renewal during a visit, and long enough to fetch a coffee.
const idle = 30 * time.Minute

const (
	maxUser = 64
	maxNote = 500
	maxForm = 16 << 10
)

// Data is what the demo keeps in a session.
type Data struct {
	Note string `json:"note"`
	Role string `json:"role"`
}

// replica is one replica of the application. A real one has a process of its own.
type replica struct {
	number   int
	list     *revocation.List
	sessions *httpmw.Manager[Data]
	registry *devices.Registry
	roles    *roles
	handler  http.Handler
}

func newReplica(ctx context.Context, number int, s *state, ac admin.Config, log *slog.Logger) (*replica, error) {
	log = log.With(slog.Int("replica", number))
	r := &replica{number: number, roles: &s.roles}
	records := s.trail.WithAttrs([]slog.Attr{slog.Int("replica", number)})
	var err error
	if r.list, err = revocation.Open(ctx, s.store, s.ring.Ring(), revocation.Config{MaxIdle: idle, Report: s.report, Logger: log, Audit: records}); err != nil {
		return nil, fmt.Errorf("demo: replica %d: %w", number, err)
	}
	if r.registry, err = devices.New(s.devices, r.list, devices.Config{Logger: log}); err != nil {
		return nil, errors.Join(fmt.Errorf("demo: replica %d: %w", number, err), r.list.Close())
	}
	r.sessions, err = httpmw.New[Data](s.ring, r.list, httpmw.Config{
		App:          app,
		Idle:         idle,
		InsecureHTTP: true, // the demo speaks plain http on loopback, and says so
		Refuse:       r.refuse,
		Devices:      r.registry,
		Logger:       log,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("demo: replica %d: %w", number, err), r.list.Close())
	}
	r.sessions.OnReload(r.reload)
	ac.Audit = records
	operators, err := console.New(r.list, s.ring, console.Config{Admin: ac, Sessions: r.sessions.Stats, InsecureHTTP: true, Logger: log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("demo: %w", err), r.list.Close())
	}
	r.handler = r.routes(operators)
	return r, nil
}

func (r *replica) routes(operators http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /login", http.HandlerFunc(r.login))
	mux.Handle("GET /api/session", r.sessions.Require(http.HandlerFunc(r.show)))
	mux.Handle("GET /api/me", http.HandlerFunc(r.me))
	mux.Handle("/tab/", r.sessions.Tab())
	mux.Handle("POST /note", r.sessions.Require(http.HandlerFunc(r.note)))
	mux.Handle("POST /second-factor", r.sessions.Require(http.HandlerFunc(r.secondFactor)))
	strong := r.sessions.RequireThat(httpmw.Requirements{Methods: []string{"mfa"}})
	mux.Handle("POST /transfer", strong(http.HandlerFunc(r.done)))
	mux.Handle("GET /api/devices", r.sessions.Require(http.HandlerFunc(r.devices)))
	mux.Handle("POST /devices/sign-out", r.sessions.Require(http.HandlerFunc(r.signOutDevice)))
	mux.Handle("POST /role", r.sessions.Require(http.HandlerFunc(r.changeRole)))
	mux.Handle("POST /require-login", r.sessions.Require(r.end(r.requireLogin)))
	mux.Handle("POST /everybody-out", r.sessions.Require(r.end(r.everybodyOut)))
	mux.Handle("POST /logout", r.end((*httpmw.Session[Data]).Logout))
	mux.Handle("POST /logout-others", r.sessions.Require(r.end((*httpmw.Session[Data]).LogoutOthers)))
	mux.Handle("POST /logout-everywhere", r.sessions.Require(r.end((*httpmw.Session[Data]).LogoutEverywhere)))

	root := http.NewServeMux()
	root.Handle("/", forms(r.sessions.Handler(mux)))
	root.Handle("/admin/", http.StripPrefix("/admin", operators))
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Wafer-Replica", strconv.Itoa(r.number))
		root.ServeHTTP(w, req)
	})
}

// login accepts any name. A real login asks for the present moment first, then checks the password,
// and passes the moment to Login: then a login that began before a revocation does not escape it.
func (r *replica) login(w http.ResponseWriter, req *http.Request) {
	since := r.sessions.Now(req.Context())
	user := strings.TrimSpace(req.PostFormValue("user"))
	if user == "" || len(user) > maxUser || !utf8.ValidString(user) {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "a user name has 1 to 64 bytes"})
		return
	}
	role, err := r.roles.get(req.Context(), user)
	if err != nil {
		r.fail(w, req, err)
		return
	}
	s := r.sessions.From(req.Context())
	err = s.Login(req.Context(), httpmw.Identity{Subject: user, Device: req.PostFormValue("device"), Methods: []string{"pwd"}, Since: since})
	if err == nil {
		err = s.Update(func(d *Data) error { // the note of a session that waited for this login stays
			d.Role = role
			return nil
		})
	}
	switch {
	case errors.Is(err, httpmw.ErrIdentity):
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "a device's name has at most 100 bytes in one line"})
	case err != nil:
		r.fail(w, req, err)
	default:
		r.done(w, req)
	}
}

// secondFactor accepts any code, as login accepts any password. The session gets stronger and a new id,
// and keeps its end and its note.
func (r *replica) secondFactor(w http.ResponseWriter, req *http.Request) {
	since := r.sessions.Now(req.Context())
	s := r.sessions.From(req.Context())
	_, end := s.Deadlines()
	err := s.Login(req.Context(), httpmw.Identity{Subject: s.Subject(), Methods: []string{"pwd", "otp", "mfa"}, Until: end, Since: since})
	if err != nil {
		r.fail(w, req, err)
		return
	}
	r.done(w, req)
}

// me is show for the page, which asks often. Its status is always 200, because a browser's console
// shows each 401 as an error. Asking does not keep the session alive.
func (r *replica) me(w http.ResponseWriter, req *http.Request) {
	s := r.sessions.From(req.Context())
	s.DoNotRenew()
	if s.LoggedIn() {
		r.show(w, req)
		return
	}
	status, reason := http.StatusUnauthorized, "not_logged_in"
	if err := s.Err(); err != nil {
		reason = reasonOf(err)
		if errors.Is(err, httpmw.ErrUnavailable) {
			status = http.StatusServiceUnavailable
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"status": status, "error": reason, "replica": r.number, "locked": s.Locked()})
}

func (r *replica) show(w http.ResponseWriter, req *http.Request) {
	s := r.sessions.From(req.Context())
	idleEnd, absoluteEnd := s.Deadlines()
	expires := idleEnd
	if absoluteEnd.Before(expires) {
		expires = absoluteEnd
	}
	data := s.Value()
	if err := s.Err(); err != nil {
		r.fail(w, req, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		ID      string    `json:"sid"`
		Subject string    `json:"subject"`
		Methods []string  `json:"methods"`
		Started time.Time `json:"started"`
		Expires time.Time `json:"expires"`
		Data    Data      `json:"data"`
		Replica int       `json:"replica"`
	}{s.ID(), s.Subject(), s.Methods(), s.LoginTime().UTC(), expires.UTC(), data, r.number})
}

func (r *replica) note(w http.ResponseWriter, req *http.Request) {
	text := req.PostFormValue("text")
	if len(text) > maxNote || !utf8.ValidString(text) {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "a note has at most 500 bytes"})
		return
	}
	err := r.sessions.From(req.Context()).Update(func(d *Data) error {
		d.Note = text
		return nil
	})
	if err != nil {
		r.fail(w, req, err)
		return
	}
	r.done(w, req)
}

// end ends sessions, or lets them wait for a login.
func (r *replica) end(how func(*httpmw.Session[Data], context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := how(r.sessions.From(req.Context()), req.Context()); err != nil {
			r.fail(w, req, err)
			return
		}
		r.done(w, req)
	})
}

// done sends a browser back to the page, and answers a script with JSON.
func (r *replica) done(w http.ResponseWriter, req *http.Request) {
	if strings.Contains(req.Header.Get("Accept"), "application/json") {
		writeJSON(w, http.StatusOK, map[string]any{"replica": r.number})
		return
	}
	w.Header().Set("Location", "/")
	w.WriteHeader(http.StatusSeeOther)
}

// fail answers when a call on the session failed. A revocation that the store did not acknowledge is
// enforced by this replica all the same.
func (r *replica) fail(w http.ResponseWriter, req *http.Request, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, httpmw.ErrUnavailable):
		status = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "2")
	case errors.Is(err, revocation.ErrUnderWay):
		status = http.StatusConflict
	case errors.Is(err, httpmw.ErrTooLarge):
		status = http.StatusRequestEntityTooLarge
	case reasonOf(err) != "":
		status = http.StatusUnauthorized
	}
	r.refuse(w, req, status, err)
}

// refuse answers with the reason, which the page shows. A real application gives everybody the same
// answer and writes the reason to its log.
func (r *replica) refuse(w http.ResponseWriter, _ *http.Request, status int, err error) {
	reason := reasonOf(err)
	if reason == "" {
		reason = "failed"
	}
	writeJSON(w, status, map[string]any{"error": reason, "replica": r.number})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // no value written here can fail to encode
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // an error means that the client is gone
}

// reasonOf names the reason why there is no session. It returns "" for other errors.
func reasonOf(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{httpmw.ErrUndecided, "undecided"},
		{httpmw.ErrRevokedSession, "revoked_session"},
		{httpmw.ErrRevokedSubject, "revoked_subject"},
		{httpmw.ErrRevokedGroup, "revoked_group"},
		{httpmw.ErrRevokedKey, "revoked_key"},
		{httpmw.ErrRevokedEveryone, "revoked_everyone"},
		{httpmw.ErrRevoked, "revoked"},
		{revocation.ErrRevoked, "revoked"},
		{httpmw.ErrExpired, "expired"},
		{httpmw.ErrInvalid, "invalid"},
		{httpmw.ErrMethods, "methods"},
		{httpmw.ErrReauthenticate, "login_required"},
		{httpmw.ErrReload, "reload"},
		{revocation.ErrUnderWay, "under_way"},
		{httpmw.ErrNoLogin, "not_logged_in"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return ""
}
