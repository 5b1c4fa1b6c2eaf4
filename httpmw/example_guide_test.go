package httpmw_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// This file is the program behind docs/sessions.md, whose snippets are copies of its lines.

// Visit is what the application keeps in a session: any type that encoding/json can handle.
type Visit struct {
	Items []string
	Theme string
}

type guide struct {
	sessions *httpmw.Manager[Visit]
	list     *revocation.List
}

func newGuide(ctx context.Context, ring keys.Source, store revlog.Store) (*guide, error) {
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{})
	if err != nil {
		return nil, err
	}
	sessions, err := httpmw.New[Visit](ring, list, httpmw.Config{
		App:      "shop",
		Absolute: 12 * time.Hour,
		Remember: httpmw.Limits{Idle: 2 * time.Hour, Absolute: 24 * time.Hour},
	})
	if err != nil {
		return nil, err
	}
	return &guide{sessions, list}, nil
}

func (g *guide) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", g.home)
	mux.HandleFunc("POST /items", g.addItem)
	mux.HandleFunc("POST /login", g.login)
	mux.HandleFunc("POST /logout", g.logout)
	mux.Handle("GET /account", g.sessions.Require(http.HandlerFunc(g.account)))
	mux.Handle("POST /logout-others", g.sessions.Require(http.HandlerFunc(g.logoutOthers)))
	mux.Handle("POST /logout-everywhere", g.sessions.Require(http.HandlerFunc(g.logoutEverywhere)))
	mux.Handle("POST /tenant/{id}", g.sessions.Require(http.HandlerFunc(g.switchTenant)))

	atTenant := g.sessions.RequireThat(httpmw.Requirements{Group: func(r *http.Request) string { return "tenant:" + r.PathValue("id") }})
	mux.Handle("GET /tenant/{id}", atTenant(http.HandlerFunc(g.account)))

	careful := g.sessions.RequireThat(httpmw.Requirements{LoginWithin: 10 * time.Minute, FreshList: true})
	mux.Handle("POST /pay", careful(http.HandlerFunc(g.pay)))

	return http.NewCrossOriginProtection().Handler(g.sessions.Handler(mux))
}

func (g *guide) home(w http.ResponseWriter, r *http.Request) {
	s := g.sessions.From(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8") // or html/template: names are not markup
	switch {
	case s.LoggedIn():
		fmt.Fprintf(w, "Welcome back, %s. You have %d items.", s.Subject(), len(s.Value().Items))
	case errors.Is(s.Err(), httpmw.ErrUndecided):
		fmt.Fprint(w, "Welcome. We cannot say right now whether you are logged in.")
	case errors.Is(s.Err(), httpmw.ErrExpired):
		fmt.Fprint(w, "Welcome. You have been logged out because you were away.")
	default:
		fmt.Fprintf(w, "Welcome. You have %d items.", len(s.Value().Items))
	}
}

func (g *guide) addItem(w http.ResponseWriter, r *http.Request) {
	err := g.sessions.From(r.Context()).Update(func(v *Visit) error {
		v.Items = append(v.Items, r.FormValue("item"))
		return nil
	})
	var tooLarge *httpmw.SizeError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, "Your basket is full.", http.StatusInsufficientStorage)
	case err != nil:
		w.Header().Set("Retry-After", "2")
		http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
	}
}

func (g *guide) login(w http.ResponseWriter, r *http.Request) {
	since := g.sessions.Now(r.Context())
	user, tenant, ok := checkPassword(r.FormValue("user"), r.FormValue("password"))
	if !ok {
		http.Error(w, "That is not the password.", http.StatusUnauthorized)
		return
	}
	err := g.sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{
		Subject:  user,
		Groups:   []string{"tenant:" + tenant}, // of the user's account, never of the request
		Remember: r.FormValue("remember") != "",
		Since:    since,
	})
	if err != nil {
		http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

// checkPassword stands for whatever the application does. It says who that is, and at which tenant.
func checkPassword(user, password string) (subject, tenant string, ok bool) {
	return user, "7", password == "secret"
}

// isMember stands for the application's own table of who belongs to which tenant.
func isMember(user, tenant string) bool { return user == "ann" && (tenant == "7" || tenant == "9") }

func (g *guide) account(w http.ResponseWriter, r *http.Request) {
	s := g.sessions.From(r.Context())
	idle, absolute := s.Deadlines()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%s, until %s if you go away now, and until %s at most", s.Subject(), idle.Format(time.TimeOnly), absolute.Format(time.TimeOnly))
}

func (g *guide) logout(w http.ResponseWriter, r *http.Request) {
	if err := g.sessions.From(r.Context()).Logout(r.Context()); err != nil {
		http.Error(w, "You are logged out here. A copy of your cookie may live on for a moment.", http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (g *guide) logoutOthers(w http.ResponseWriter, r *http.Request) {
	if err := g.sessions.From(r.Context()).LogoutOthers(r.Context()); err != nil {
		http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
	}
}

func (g *guide) logoutEverywhere(w http.ResponseWriter, r *http.Request) {
	if err := g.sessions.From(r.Context()).LogoutEverywhere(r.Context()); err != nil {
		http.Error(w, "You are logged out here. Try again for the other devices.", http.StatusServiceUnavailable)
	}
}

func (g *guide) switchTenant(w http.ResponseWriter, r *http.Request) {
	s, tenant := g.sessions.From(r.Context()), r.PathValue("id")
	if !isMember(s.Subject(), tenant) {
		http.Error(w, "You are not a member of this tenant.", http.StatusForbidden)
		return
	}
	if err := s.SetGroups(r.Context(), []string{"tenant:" + tenant}); err != nil {
		http.Error(w, "Try again in a moment.", http.StatusServiceUnavailable)
	}
}

func (g *guide) pay(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "paid") }

// passwordChanged ends every session of a user, as an administrator or another service does.
func (g *guide) passwordChanged(ctx context.Context, user string) error {
	receipt, err := g.list.Revoke(ctx, revocation.Subject(user), revocation.Options{})
	if err != nil {
		return err
	}
	fmt.Println("refused everywhere from", receipt.Effective)
	return nil
}

// token begins a session for a program, which sends it with every call.
func (g *guide) token(ctx context.Context) (string, error) {
	return g.sessions.Issue(ctx, httpmw.Identity{Subject: "robot-7", Groups: []string{"robots"}}, Visit{}, time.Hour)
}

func (g *guide) whoSent(ctx context.Context, token string) (string, error) {
	s, err := g.sessions.Check(ctx, token)
	if err != nil {
		return "", err // httpmw.ErrUndecided means: ask again, not: refuse
	}
	return s.Subject(), nil
}
