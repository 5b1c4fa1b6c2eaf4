package oauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/oauth"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func TestIntrospectABearerToken(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			name   string
			change func(*oauth.Config)
			want   map[string]any
		}{
			{"by default", func(*oauth.Config) {}, map[string]any{}},
			{"identified", all, map[string]any{"sub": "ann", "sid": ""}},
		} {
			f := start(t, row.change)
			bearer := f.issue(t)
			now := time.Now().Unix()
			s, err := f.Check(t.Context(), bearer)
			if err != nil {
				t.Fatal(err)
			}
			row.want["active"], row.want["token_type"], row.want["aud"] = true, "Bearer", "session"
			row.want["exp"], row.want["auth_time"] = float64(now+3600), float64(now)
			if row.want["sid"] != nil {
				row.want["sid"] = s.ID()
			}
			got := f.introspect(t, bearer)
			if diff := cmp.Diff(row.want, got.body); diff != "" || got.status != http.StatusOK {
				t.Errorf("%s: %d %s", row.name, got.status, diff)
			}
			time.Sleep(time.Hour)
			f.active(t, bearer, false)
		}
	})
}

// The answer has the methods of the login, in the form of the claim amr, and no member without them.
func TestIntrospectMethods(t *testing.T) {
	f := start(t, func(*oauth.Config) {})
	bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann", Methods: []string{"pwd", "otp", "mfa"}}, data{}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"pwd", "otp", "mfa"}, f.introspect(t, bearer).body["amr"]); diff != "" {
		t.Error(diff)
	}
	if amr, said := f.introspect(t, f.issue(t)).body["amr"]; said {
		t.Errorf("without methods: %v", amr)
	}
}

func TestIntrospectCookies(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := start(t, all)
		jar := f.login(t)
		began := time.Now().Unix()
		old := jar[cookieName]
		time.Sleep(90 * time.Minute)
		f.browse(t, jar, func(s *httpmw.Session[data], _ *http.Request) error { return s.Err() })
		pair := jar[cookieName] + "~" + jar[cookieName+"-seen"]
		got := f.introspect(t, pair)
		want := map[string]any{
			"active": true, "token_type": "N_A", "aud": "session", "sub": "ann", "sid": got.body["sid"],
			"exp": float64(time.Now().Add(2 * time.Hour).Unix()), "auth_time": float64(began),
		}
		if diff := cmp.Diff(want, got.body); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Hour) // past the limit of the session token, which the renewal moved
		f.active(t, pair, true)
		f.active(t, old, false)
		f.active(t, jar[cookieName+"-seen"], false)
		f.active(t, jar[cookieName]+"~"+jar[cookieName], false)
		f.active(t, jar[cookieName+"-seen"]+"~"+jar[cookieName], false)
		f.active(t, pair+"~~~", false)
		f.active(t, f.issue(t)+"~"+jar[cookieName+"-seen"], false)
	})
}

// Without Config.Cookies a cookie is no token. So a caller that never looks at token_type takes none for a
// bearer token.
func TestCookiesOnlyIfAskedFor(t *testing.T) {
	f := start(t)
	cookie := f.login(t)[cookieName]
	f.active(t, cookie, false)
	f.revoke(t, cookie).fails(t, http.StatusBadRequest, "unsupported_token_type")
	join(t, f.ring, f.store.Unwrap(), all).active(t, cookie, true)
}

// The cookies of a session that is spread over several can come in any order after the first.
func TestIntrospectALargeSession(t *testing.T) {
	f := joinWith(t, keys.Static(keys.Generate(0)), revlog.NewMemory(), httpmw.Config{MaxCookies: 3}, all)
	jar := f.login(t)
	f.browse(t, jar, func(s *httpmw.Session[data], _ *http.Request) error { return s.Set(data{strings.Repeat("x", 4000)}) })
	one, two, three := jar[cookieName], jar[cookieName+".1"], jar[cookieName+".2"]
	if three == "" {
		t.Fatalf("only %d cookies", len(jar))
	}
	f.active(t, one+"~"+two+"~"+three, true)
	f.active(t, one+"~"+three+"~"+two, true)
	f.active(t, one+"~"+three, false)
	f.active(t, two+"~"+one+"~"+three, false)
	f.ends(t, one) // which is enough to know the session
	f.active(t, one+"~"+two+"~"+three, false)
}

func TestNobodyLoggedInIsInactive(t *testing.T) {
	f := start(t, all)
	jar := map[string]string{}
	f.browse(t, jar, func(s *httpmw.Session[data], _ *http.Request) error { return s.Set(data{"tea"}) })
	anonymous := jar[cookieName+"-anon"]
	if anonymous == "" {
		t.Fatalf("no anonymous session in %d cookies", len(jar))
	}
	f.active(t, anonymous, false)
	f.revoke(t, anonymous).fails(t, http.StatusBadRequest, "unsupported_token_type")
	for _, invalid := range []string{"x", "out.1700000000000", "~", "..", strings.Repeat("x", 5000), strings.Repeat("~", 100)} {
		f.active(t, invalid, false)
		f.ends(t, invalid)
	}
}

func TestAnotherApplicationsTokenIsInactive(t *testing.T) {
	f := start(t)
	other := joinWith(t, keys.Static(f.ring), f.store.Unwrap(), httpmw.Config{App: "other"})
	bearer := other.issue(t)
	f.active(t, bearer, false)
	f.ends(t, bearer)
	other.active(t, bearer, true)
}

// While a replica cannot say whether a session is revoked, neither answer would be true.
func TestUndecidableIsUnavailable(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := start(t, all)
		bearer, cookie := f.issue(t), f.login(t)[cookieName]
		time.Sleep(30 * time.Minute)
		late := join(t, f.ring, f.store.Unwrap(), all) // whose window does not reach back so far
		strict := join(t, f.ring, f.store.Unwrap(), func(c *oauth.Config) { c.FreshList = true })
		fresh := strict.issue(t)
		strict.active(t, fresh, true)
		late.store.Fail()
		strict.store.Fail()
		time.Sleep(2 * within)
		late.introspect(t, bearer).fails(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		late.introspect(t, cookie).fails(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		late.active(t, fresh, true) // it can check that from memory
		strict.introspect(t, fresh).fails(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		late.store.Recover()
		strict.store.Recover()
		time.Sleep(within)
		late.active(t, bearer, true)
		strict.active(t, fresh, true)
	})
}

// A token that waits for a login of its user is not good.
func TestATokenThatNeedsALoginIsInactive(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := start(t, all)
		bearer, cookie := f.issue(t), f.login(t)[cookieName]
		other := join(t, f.ring, f.store.Unwrap(), all)
		time.Sleep(2 * within)
		if _, err := f.list.RequireLogin(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(within)
		for _, replica := range []*fixture{f, other} {
			replica.active(t, bearer, false)
			replica.active(t, cookie, false)
		}
		time.Sleep(within)
		f.active(t, f.issue(t), true)
	})
}

// A token whose data cannot be loaded again is neither good nor bad. Once it can, the token is good.
func TestATokenToLoadAgain(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := start(t, all)
		failing := true
		f.OnReload(func(context.Context, *httpmw.Session[data]) (data, error) {
			if failing {
				return data{}, errors.New("the database is down")
			}
			return data{"new"}, nil
		})
		bearer, cookie := f.issue(t), f.login(t)[cookieName]
		time.Sleep(2 * within)
		if _, err := f.list.Reload(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{bearer, cookie} {
			f.introspect(t, token).fails(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		}
		failing = false
		f.active(t, bearer, true)
		f.active(t, cookie, true)
	})
}

// A key that the ring does not have yet is looked for before a token counts as bad.
func TestATokenOfANewKey(t *testing.T) {
	old := keys.Generate(0)
	rotated, err := old.Rotate(time.Now(), keys.Rotation{Immediate: true})
	if err != nil {
		t.Fatal(err)
	}
	f := join(t, rotated, revlog.NewMemory())
	bearer := f.issue(t)
	robot, err := f.Check(t.Context(), bearer)
	if err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range []string{"introspect", "revoke"} {
		t.Run(endpoint, func(t *testing.T) {
			source := &behind{now: old, next: rotated, err: errors.New("the ring cannot be read")}
			late := joinWith(t, source, f.store.Unwrap(), httpmw.Config{})
			ask := late.introspect
			if endpoint == "revoke" {
				ask = late.revoke
			}
			ask(t, bearer).fails(t, http.StatusServiceUnavailable, "temporarily_unavailable")
			source.mend()
			if got := ask(t, bearer); got.status != http.StatusOK || endpoint == "introspect" && got.body["active"] != true {
				t.Errorf("%d %v", got.status, got.body)
			}
		})
	}
	if _, ok, err := f.list.Revoked(t.Context(), revocation.Session(robot.ID())); !ok || err != nil {
		t.Errorf("Revoked = %v, %v", ok, err)
	}
}

// behind is a source of keys that has a newer ring to load.
type behind struct {
	mu        sync.Mutex
	now, next *keys.Ring
	err       error
}

func (b *behind) mend() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = nil
}

func (b *behind) Ring() *keys.Ring {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *behind) Refresh(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.now = b.next
	}
	return b.err
}
