package httpmw_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// exampleContext stands for the context a program begins with.
var exampleContext = context.Background()

// A device is one row of the application's own table of where somebody is logged in. It is written at login and
// logout only. Losing the table logs nobody out, and whether a session is alive is never asked of it.
type device struct {
	Session   string // the id
	Subject   string
	UserAgent string
	Since     time.Time
}

// devices is that table: here in memory, in an application in its database, where rows older than the absolute limit
// can be deleted, because such sessions are over.
type devices struct {
	mu   sync.Mutex
	rows map[string]device // by session id
}

// onEvent keeps the table. It is a httpmw.Config.OnEvent.
func (d *devices) onEvent(_ context.Context, e httpmw.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch e.Kind {
	case httpmw.EventLogin, httpmw.EventSetGroups, httpmw.EventLogoutOthers:
		row := device{e.Session, e.Subject, "", time.Now()}
		if before, ok := d.rows[e.Previous]; ok && before.Subject == e.Subject {
			row.Since = before.Since // the session goes on under another id
		}
		if e.Request != nil {
			row.UserAgent = e.Request.UserAgent()
		}
		if e.Kind == httpmw.EventLogoutOthers {
			d.forget(e.Subject)
		}
		delete(d.rows, e.Previous)
		d.rows[e.Session] = row
	case httpmw.EventLogout:
		delete(d.rows, e.Session)
	case httpmw.EventLogoutEverywhere:
		d.forget(e.Subject)
	}
}

func (d *devices) forget(subject string) {
	for id, row := range d.rows {
		if row.Subject == subject {
			delete(d.rows, id)
		}
	}
}

func (d *devices) of(subject string) (rows []device) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, row := range d.rows {
		if row.Subject == subject {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b device) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Session, b.Session)) })
	return rows
}

var errNotYours = errors.New("that is not a device of yours")

// signOut ends one session of a subject, from wherever. It looks the session up under the subject first: else
// anybody could end anybody's session by its id.
func (d *devices) signOut(ctx context.Context, list *revocation.List, subject, sid string) error {
	d.mu.Lock()
	row, ok := d.rows[sid]
	d.mu.Unlock()
	if !ok || row.Subject != subject {
		return errNotYours
	}
	if _, err := list.Revoke(ctx, revocation.Session(sid), revocation.Options{}); err != nil {
		return err // the row stays, so that it can be tried again
	}
	d.mu.Lock()
	delete(d.rows, sid)
	d.mu.Unlock()
	return nil
}

// A page "my devices", from which a lost phone can be signed out.
func ExampleConfig_onEvent() {
	table := &devices{rows: map[string]device{}}
	ring := keys.Generate(0)
	list, err := revocation.Open(exampleContext, revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	sessions, err := httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{OnEvent: table.onEvent})
	if err != nil {
		log.Fatal(err)
	}
	handle := func(b *browser, agent string, do func(r *http.Request, s *httpmw.Session[struct{}]) error) {
		r := b.request()
		r.Header.Set("User-Agent", agent)
		b.send(sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := do(r, sessions.From(r.Context())); err != nil {
				fmt.Println(err)
			}
		})), r)
	}
	login := func(r *http.Request, s *httpmw.Session[struct{}]) error {
		return s.Login(r.Context(), httpmw.Identity{Subject: "ann"})
	}
	laptop, phone := newBrowser(), newBrowser()
	handle(laptop, "laptop", login)
	handle(phone, "phone", login)
	handle(laptop, "laptop", func(r *http.Request, s *httpmw.Session[struct{}]) error {
		for _, d := range table.of(s.Subject()) {
			fmt.Println(d.UserAgent, "this one:", d.Session == s.ID())
			if d.UserAgent == "phone" {
				if err := table.signOut(r.Context(), list, s.Subject(), d.Session); err != nil {
					return err
				}
			}
		}
		return nil
	})
	handle(phone, "phone", func(_ *http.Request, s *httpmw.Session[struct{}]) error {
		fmt.Println("the phone is logged in:", s.LoggedIn())
		return s.Err()
	})

	// Output:
	// laptop this one: true
	// phone this one: false
	// the phone is logged in: false
	// httpmw: session revoked: this session
}

// The table follows a session through every change of its id, and forgets what ended.
func TestDevices(t *testing.T) {
	table := &devices{rows: map[string]device{}}
	f := newFixture(t, httpmw.Config{OnEvent: table.onEvent})
	b, other := newBrowser(), newBrowser()
	f.login(t, other, httpmw.Identity{Subject: "ann"})
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	check := func(when string, n int) {
		t.Helper()
		rows := table.of("ann")
		var id string
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) { id = s.ID() })
		if len(rows) != n || n > 0 && !slices.ContainsFunc(rows, func(d device) bool { return d.Session == id }) {
			t.Errorf("%s: %d rows, want %d with %s among them", when, len(rows), n, id)
		}
	}
	do := func(what func(*httpmw.Session[cart], context.Context) error) {
		t.Helper()
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := what(s, r.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	check("two logins", 2)
	do(func(s *httpmw.Session[cart], ctx context.Context) error { return s.SetGroups(ctx, []string{"g"}) })
	check("switched", 2)
	do(func(s *httpmw.Session[cart], ctx context.Context) error {
		return s.Login(ctx, httpmw.Identity{Subject: "ann"})
	})
	check("logged in again", 2)
	do((*httpmw.Session[cart]).LogoutOthers)
	check("others logged out", 1)
	f.login(t, other, httpmw.Identity{Subject: "ann"})
	check("the other is back", 2)
	rows := table.of("ann")
	if err := table.signOut(t.Context(), f.list, "mallory", rows[0].Session); err != errNotYours {
		t.Errorf("somebody else signs a device out: %v", err)
	}
	do((*httpmw.Session[cart]).Logout)
	if rows := table.of("ann"); len(rows) != 1 {
		t.Errorf("after logout: %d rows", len(rows))
	}
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	do((*httpmw.Session[cart]).LogoutEverywhere)
	check("logged out everywhere", 0)
}
