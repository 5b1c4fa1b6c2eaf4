package httpmw_test

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// inProcess sends requests to a handler without a network.
type inProcess struct{ handler http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

// member is a replica, with what all replicas share.
type member struct {
	*machines
	ring  keys.Source
	store revlog.Store
}

// newFleet makes two replicas over one store, and three agents of two tenants.
func newFleet(t *testing.T) (a, b member) {
	t.Helper()
	secret := sha256.Sum256([]byte("secret"))
	all := &accounts{agents: map[string]agent{
		"invoices": {secret: secret, tenant: "7"}, "mails": {secret: secret, tenant: "7"}, "reports": {secret: secret, tenant: "8"},
	}}
	ring, store := keys.Static(keys.Generate(0)), revlog.NewMemory()
	replica := func() member {
		m, err := newMachines(t.Context(), ring, store, all)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.list.Close() })
		return member{m, ring, store}
	}
	return replica(), replica()
}

// running is an agent that calls a replica every 100 ms and has a stream open there.
type running struct {
	client            *http.Client
	done              sync.WaitGroup
	served            int
	first, last, over time.Time // first refusal, last answer, end of the stream
}

func run(ctx context.Context, t *testing.T, m *machines, name string) *running {
	over := inProcess{m.handler()}
	token := &credential{fetch: fetcher(&http.Client{Transport: over}, "https://mcp.test/token", name, "secret")}
	r := &running{client: &http.Client{Transport: sender{token.get, over}}}
	r.done.Go(func() {
		for ctx.Err() == nil {
			switch status := r.do(ctx, t, http.MethodPost); {
			case status == http.StatusOK:
				r.served++
				r.last = time.Now()
			case status != http.StatusUnauthorized:
				t.Errorf("%s: %d", name, status)
			case r.first.IsZero():
				r.first = time.Now()
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	r.done.Go(func() {
		r.do(ctx, t, http.MethodGet)
		r.over = time.Now()
	})
	return r
}

func (r *running) do(ctx context.Context, t *testing.T, method string) int {
	request, err := http.NewRequestWithContext(ctx, method, "https://mcp.test/mcp", http.NoBody)
	if err != nil {
		t.Error(err)
		return 0
	}
	res, err := r.client.Do(request)
	if err != nil {
		t.Error(err)
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// An agent, a tenant's agents or all are killed at one replica while they call another one: it refuses them within
// 2 s and ends their streams, and lets the others go on.
func TestKillSwitch(t *testing.T) {
	for name, row := range map[string]struct {
		kill   func(context.Context, *machines) error
		killed []string
	}{
		"agent":  {func(ctx context.Context, m *machines) error { return m.killAgent(ctx, "invoices") }, []string{"invoices"}},
		"tenant": {func(ctx context.Context, m *machines) error { return m.killTenant(ctx, "7") }, []string{"invoices", "mails"}},
		"all":    {func(ctx context.Context, m *machines) error { return m.killAll(ctx) }, []string{"invoices", "mails", "reports"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				here, there := newFleet(t)
				person, err := there.sessions.Issue(t.Context(), httpmw.Identity{Subject: "ann"}, struct{}{}, time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				agents := map[string]*running{}
				for _, name := range []string{"invoices", "mails", "reports"} {
					agents[name] = run(ctx, t, there.machines, name)
				}
				time.Sleep(5 * time.Second)
				if err := row.kill(ctx, here.machines); err != nil {
					t.Fatal(err)
				}
				killed := time.Now()
				time.Sleep(10 * time.Second)
				ended := time.Now()
				stop()
				for name, a := range agents {
					a.done.Wait()
					if slices.Contains(row.killed, name) {
						if late := a.first.Sub(killed); a.first.IsZero() || late > within || a.last.After(a.first) || a.served < 45 {
							t.Errorf("%s: refused after %v, %d calls served, the last %v after", name, late, a.served, a.last.Sub(killed))
						}
						if late := a.over.Sub(killed); late > within+within/4 {
							t.Errorf("%s: its stream ended after %v", name, late)
						}
					} else if !a.first.IsZero() || a.over.Before(ended) || ended.Sub(a.last) > time.Second {
						t.Errorf("%s: refused %v after another was killed, stream ended after %v", name, a.first.Sub(killed), a.over.Sub(killed))
					}
				}
				if _, err := there.sessions.Check(t.Context(), person); err != nil {
					t.Errorf("a person: %v", err)
				}
			})
		})
	}
}

// An agent that is killed after the database was asked, and before its token begins, gets no token. It works again
// once it is switched on.
func TestKilledWhileItFetches(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		here, there := newFleet(t)
		store := revlogtest.NewFaulty(here.store)
		late, err := newMachines(t.Context(), here.ring, store, here.accounts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { late.list.Close() })
		var kill sync.Once
		store.Hook(func(h *revlogtest.Hooks) {
			h.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
				if q.Subject != (revlog.Tag{}) { // and not the one of Now
					kill.Do(func() {
						if err := here.killAgent(ctx, "invoices"); err != nil {
							t.Error(err)
						}
					})
				}
				return here.store.Confirm(ctx, q)
			}
		})
		fetch := fetcher(&http.Client{Transport: inProcess{late.handler()}}, "https://mcp.test/token", "invoices", "secret")
		for range 2 {
			if _, _, err := fetch(t.Context()); err == nil {
				t.Error("a token for an agent that was killed")
			}
		}
		there.accounts.set(false, func(name string, _ agent) bool { return name == "invoices" })
		token, _, err := fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := here.sessions.Check(t.Context(), token); err != nil {
			t.Errorf("switched on again: %v", err)
		}
	})
}

// An agent runs for hours on tokens of ten minutes. The token endpoint may be down for three of them.
func TestRotationWithoutRestart(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		_, m := newFleet(t)
		down, seen := false, map[string]bool{}
		over := inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path != "/token":
				seen[r.Header.Get("Authorization")] = true
			case down:
				http.Error(w, "down", http.StatusServiceUnavailable)
				return
			}
			m.handler().ServeHTTP(w, r)
		})}
		token := &credential{fetch: fetcher(&http.Client{Transport: over}, "https://mcp.test/token", "invoices", "secret")}
		agent := &running{client: &http.Client{Transport: sender{token.get, over}}}
		for i := range 720 { // two hours
			down = i%40 >= 20 && i%40 < 38 // of each 400 s, the 180 s around a time to fetch
			down = down && i > 20
			if status := agent.do(t.Context(), t, http.MethodPost); status != http.StatusOK {
				t.Fatalf("after %d s: %d", 10*i, status)
			}
			time.Sleep(10 * time.Second)
		}
		if n := len(seen); n < 12 || n > 19 {
			t.Errorf("%d tokens in two hours", n)
		}
	})
}

// A job reads its token from a file, which is replaced while it runs.
func TestTokenFile(t *testing.T) {
	_, m := newFleet(t)
	over := inProcess{m.handler()}
	fetch := fetcher(&http.Client{Transport: over}, "https://mcp.test/token", "invoices", "secret")
	name := filepath.Join(t.TempDir(), "token")
	job := &running{client: &http.Client{Transport: sender{fromFile(name), over}}}
	for range 2 {
		token, _, err := fetch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := replaceFile(name, token+"\n"); err != nil {
			t.Fatal(err)
		}
		s, err := m.sessions.Check(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if status := job.do(t.Context(), t, http.MethodPost); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		if status := job.do(t.Context(), t, http.MethodPost); status != http.StatusUnauthorized {
			t.Errorf("with a token that is revoked: %d", status)
		}
	}
}

// The answer to a request without a token names no error (RFC 6750 §3.1), and one that cannot be decided is not
// answered with 401.
func TestChallenge(t *testing.T) {
	_, m := newFleet(t)
	for authorization, want := range map[string]string{
		"":               `Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource"`,
		"Basic eDp5":     `Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource"`,
		"bearer forged":  `Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource", error="invalid_token"`,
		"Bearer a.b.c.d": `Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource", error="invalid_token"`,
	} {
		r := httptest.NewRequest("POST", "https://mcp.test/mcp", strings.NewReader("{}"))
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		m.handler().ServeHTTP(w, r)
		if got := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusUnauthorized || got != want {
			t.Errorf("%q: %d %q", authorization, w.Code, got)
		}
	}
	w := httptest.NewRecorder()
	m.sessions.Fail(w, httptest.NewRequest("POST", "/mcp", nil), httpmw.ErrUndecided)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("WWW-Authenticate") != "" || w.Header().Get("Retry-After") == "" {
		t.Errorf("undecided: %d %v", w.Code, w.Header())
	}
}

// A replica that exchanges a good token for a new one can be too late: it may not have heard that the agent was
// killed, and the new token begins after that. So docs/machines.md says to ask for the secret.
func TestExchangeOfTokensIsTooLate(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		here, there := newFleet(t)
		id := httpmw.Identity{Subject: "agent:invoices"}
		token, err := there.sessions.Issue(t.Context(), id, struct{}{}, tokenLifetime)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := here.list.Revoke(t.Context(), revocation.Subject("agent:invoices"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		id.Since = there.sessions.Now(t.Context())
		if _, err := there.sessions.Check(t.Context(), token); err != nil {
			t.Skip("this replica has heard already")
		}
		next, err := there.sessions.Issue(t.Context(), id, struct{}{}, tokenLifetime)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(within)
		if _, err := there.sessions.Check(t.Context(), next); err != nil {
			t.Errorf("exchanging tokens is safe now (%v): docs/machines.md says that it is not", err)
		}
	})
}
