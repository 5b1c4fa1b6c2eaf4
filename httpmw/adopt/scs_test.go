package adopt_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// serverSide keeps sessions as scs does: values in a store, a token in the cookie.
type serverSide struct {
	lifetime time.Duration
	rows     map[string]serverRow
}

type serverRow struct {
	deadline time.Time
	values   map[string]string
}

type serverKey struct{}

func (s *serverSide) LoadAndSave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := ""
		if c, err := r.Cookie("scs"); err == nil {
			token = c.Value
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), serverKey{}, token)))
	})
}

func (s *serverSide) Token(ctx context.Context) string       { return ctx.Value(serverKey{}).(string) }
func (s *serverSide) Deadline(ctx context.Context) time.Time { return s.rows[s.Token(ctx)].deadline }
func (s *serverSide) Destroy(ctx context.Context) error      { delete(s.rows, s.Token(ctx)); return nil }
func (s *serverSide) GetString(ctx context.Context, key string) string {
	return s.rows[s.Token(ctx)].values[key]
}

var _ scsSessions = (*serverSide)(nil)

func TestMovingFromSCS(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	m := must(httpmw.New[Prefs](keys.Static(f.ring), f.list, httpmw.Config{Logger: quiet()}))
	now := time.Now()
	a := must(adopt.New(m, adopt.Config{System: "scs", From: now, Until: now.Add(time.Hour)}))
	old := &serverSide{24 * time.Hour, map[string]serverRow{
		"token1": {now.Add(23 * time.Hour), map[string]string{"userID": "ada", "theme": "dark"}},
		"token2": {now.Add(23 * time.Hour), map[string]string{"theme": "dark"}},
	}}
	var login time.Time
	server, client := serve(t, moveFromSCS(old, old.lifetime, time.Time{}, m, a, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login = m.From(r.Context()).LoginTime()
		if r.URL.Path == "/logout" {
			logoutBoth(old, m).ServeHTTP(w, r)
			return
		}
		pages(m).ServeHTTP(w, r)
	})))
	home := must(url.Parse(server.URL))
	// ask sends the token along with the jar's cookies, as a browser does that keeps it.
	ask := func(token, method, path string, form url.Values) string {
		t.Helper()
		req := must(http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(form.Encode())))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if token != "" {
			req.AddCookie(&http.Cookie{Name: "scs", Value: token})
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body := must(io.ReadAll(resp.Body))
		if resp.StatusCode != http.StatusOK {
			return resp.Status
		}
		return string(body)
	}
	want := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}

	want(ask("token2", "GET", "/", nil), `user "", theme "", []`)
	f.store.Fail()
	want(ask("token1", "GET", "/", nil), "503 Service Unavailable")
	f.store.Recover()
	for deadline := now.Add(10 * time.Second); ; {
		if got := ask("token1", "GET", "/", nil); got == `user "ada", theme "dark", []` {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("not moved: %s", got)
		}
	}
	if wantLogin := now.Add(-time.Hour).Truncate(time.Second); !login.Equal(wantLogin) {
		t.Errorf("login at %v, want %v", login, wantLogin)
	}
	stolen := client.Jar.Cookies(home)
	want(ask("token1", "POST", "/theme", url.Values{"theme": {"light"}}), "")
	if _, left := old.rows["token1"]; left {
		t.Error("the old session is still there")
	}
	want(ask("", "GET", "/", nil), `user "ada", theme "light", ["saved"]`)
	want(ask("", "GET", "/", nil), `user "ada", theme "light", []`)
	want(ask("", "POST", "/logout", nil), "")
	// Not even if the old store had kept it, as it does while replicas of before run.
	old.rows["token1"] = serverRow{now.Add(23 * time.Hour), map[string]string{"userID": "ada"}}
	want(ask("token1", "GET", "/", nil), `user "", theme "", []`)
	client.Jar.SetCookies(home, stolen)
	want(ask("", "GET", "/", nil), `user "", theme "", []`)
	want(ask("", "POST", "/login", url.Values{"user": {"bob"}}), "")
	want(ask("", "GET", "/", nil), `user "bob", theme "", []`)
}

// Replicas whose clocks differ come to oldUntil one after the other, and none takes the session that another destroyed for a logout.
func TestTheEndOfSCS(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		m := must(httpmw.New[Prefs](keys.Static(f.ring), f.list, httpmw.Config{Logger: quiet()}))
		now := time.Now()
		a := must(adopt.New(m, adopt.Config{System: "scs", Until: now.Add(time.Hour)}))
		old := &serverSide{24 * time.Hour, map[string]serverRow{"token": {now.Add(23 * time.Hour), map[string]string{"userID": "ada"}}}}
		var subject string
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { subject = m.From(r.Context()).Subject() })
		end := now.Add(10 * time.Minute)
		replicas := []http.Handler{
			moveFromSCS(old, old.lifetime, end, m, a, next),
			moveFromSCS(old, old.lifetime, end.Add(45*time.Second), m, a, next), // as if its clock were behind
		}
		b := newBrowser()
		b.jar["scs"] = "token"
		for i := 0; time.Now().Before(end.Add(5 * time.Minute)); i++ {
			if b.get(replicas[i%2]); subject != "ada" {
				t.Fatalf("%v after oldUntil: %q", time.Since(end), subject)
			}
			if _, kept := old.rows["token"]; !kept && time.Now().Before(end) {
				t.Fatalf("%v before oldUntil the old session is gone", time.Until(end))
			}
			time.Sleep(10 * time.Second)
		}
		if len(old.rows) != 0 {
			t.Error("the old session is still there")
		}
	})
}

func TestTheLimitsOfSCS(t *testing.T) {
	ring := must(keys.OpenFile(t.Context(), filepath.Join(t.TempDir(), "ring.jwe"), keys.InsecurePlaintext(), keys.FileConfig{Create: true}))
	defer ring.Close()
	m := must(openForSCS(t.Context(), ring, revlog.NewMemory()))
	a := must(adoptFromSCS(m))
	if time.Now().After(a.Until) {
		if err := a.Adopt(t.Context(), nil, adopt.Predecessor{}, httpmw.Identity{}, Prefs{}); !errors.Is(err, httpmw.ErrNoLogin) {
			t.Errorf("after the time of adoption: %v", err)
		}
	}
}

// The guide shows nothing that is not compiled: each of its pieces stands in the example, line by line.
func TestTheGuideFromSCSShowsTheExample(t *testing.T) {
	guide := string(must(os.ReadFile("../../docs/from-scs.md")))
	example := string(must(os.ReadFile("example_scs_test.go")))
	pieces := strings.Split(guide, "```go\n")[1:]
	if len(pieces) < 3 {
		t.Fatalf("only %d pieces of Go found", len(pieces))
	}
	for _, piece := range pieces {
		code, _, closed := strings.Cut(piece, "```\n")
		if !closed || !strings.Contains(example, code) {
			t.Errorf("example_scs_test.go does not hold\n%s", code)
		}
	}
}
