package httpmw_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Staff is what a session holds of an employee.
type Staff struct{ Role string }

// staff is an application whose users have roles.
type staff struct {
	list     *revocation.List
	sessions *httpmw.Manager[Staff]
	roles    *sync.Map // the database
}

func newStaff(k keys.Source, l *revocation.List) (staff, error) {
	m, err := httpmw.New[Staff](k, l, httpmw.Config{App: "staff"})
	if err != nil {
		return staff{}, err
	}
	s := staff{list: l, sessions: m, roles: new(sync.Map)}
	s.sessions.OnReload(func(ctx context.Context, session *httpmw.Session[Staff]) (Staff, error) {
		role, ok := s.roles.Load(session.Subject())
		if !ok {
			return Staff{}, errors.New("nobody by that name")
		}
		next := session.Value() // the rest stays
		next.Role = role.(string)
		return next, nil
	})
	return s, nil
}

func (s staff) promote(ctx context.Context, user, role string) error {
	s.roles.Store(user, role) // first the truth, then:
	_, err := s.list.Reload(ctx, revocation.Subject(user), revocation.Options{})
	return err
}

func (s staff) suspect(ctx context.Context, user string) error {
	_, err := s.list.RequireLogin(ctx, revocation.Subject(user), revocation.Options{})
	return err
}

func (s staff) leak(ctx context.Context) error {
	_, err := s.list.Revoke(ctx, revocation.Everyone(), revocation.Options{Over: time.Hour})
	return err
}

func (s staff) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		since := s.sessions.Now(r.Context()) // then check the password
		session := s.sessions.From(r.Context())
		role, _ := s.roles.Load(r.FormValue("user"))
		err := session.Login(r.Context(), httpmw.Identity{Subject: r.FormValue("user"), Since: since})
		if err == nil {
			err = session.Set(Staff{Role: role.(string)})
		}
		if err != nil {
			s.sessions.Fail(w, r, err)
		}
	})
	mux.Handle("GET /", s.sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session := s.sessions.From(r.Context())
		fmt.Fprintf(w, "%s is %s", session.Subject(), session.Value().Role)
	})))
	return http.NewCrossOriginProtection().Handler(s.sessions.Handler(mux))
}

// A role changes, and the session has it at the next request.
func ExampleManager_OnReload() {
	ctx := context.Background()
	ring := keys.Generate(0)
	list, err := revocation.Open(ctx, revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()
	s, err := newStaff(keys.Static(ring), list)
	if err != nil {
		log.Fatal(err)
	}
	s.roles.Store("ada", "a reader")
	server := httptest.NewTLSServer(s.handler())
	defer server.Close()
	client := server.Client()
	client.Jar, _ = cookiejar.New(nil)
	if _, err := client.Post(server.URL+"/login?user=ada", "", nil); err != nil {
		log.Fatal(err)
	}
	show := func() {
		res, err := client.Get(server.URL + "/")
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		fmt.Println(string(body), err)
	}
	show()
	if err := s.promote(ctx, "ada", "an editor"); err != nil {
		log.Fatal(err)
	}
	show()
	// Output:
	// ada is a reader <nil>
	// ada is an editor <nil>
}

// The other two calls of the guide do what it says.
func TestStaff(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		s, err := newStaff(keys.Static(f.ring), f.list)
		if err != nil {
			t.Fatal(err)
		}
		b := newBrowser()
		b.get(s.sessions.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if err := s.sessions.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: "ada"}); err != nil {
				t.Error(err)
			}
		})))
		time.Sleep(5 * time.Second)
		if err := s.suspect(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		if res := b.get(s.handler()); res.StatusCode != http.StatusUnauthorized {
			t.Error(res.Status)
		}
		if err := s.leak(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.leak(t.Context()); !errors.Is(err, revocation.ErrUnderWay) {
			t.Errorf("a second time: %v", err)
		}
	})
}
