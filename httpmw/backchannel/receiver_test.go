package backchannel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/httpmw/backchannel"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func TestGoodTokens(t *testing.T) {
	rs, es, ed := newSigner(t, "r", "RS256"), newSigner(t, "e", "ES256"), newSigner(t, "d", "EdDSA")
	ps := signer{"p", "PS256", rs.key}
	head := func(changes members) func(string, string) string {
		return func(sid, sub string) string {
			return rs.token(rs.header().with(changes).json(), claims(sid, sub).json())
		}
	}
	claim := func(changes members) func(string, string) string {
		return func(sid, sub string) string {
			return rs.token(rs.header().json(), claims(sid, sub).with(changes).json())
		}
	}
	list := openList(t, revlog.NewMemory())
	defer list.Close()
	for i, row := range []struct {
		name   string
		token  func(sid, sub string) string
		change func(*backchannel.Config)
	}{
		{"RS256", rs.good, nil},
		{"PS256", ps.good, nil},
		{"ES256", es.good, nil},
		{"EdDSA", ed.good, nil},
		{"typ in full", head(members{"typ": "application/logout+jwt"}), nil},
		{"typ in capitals", head(members{"typ": "Logout+JWT"}), nil},
		{"x5t and other headers", head(members{"x5t": "abc", "x": 1}), nil},
		{"no typ, allowed by name", head(members{"typ": nil}), func(c *backchannel.Config) { c.AllowUntyped = true }},
		{"JWT, allowed by name", head(members{"typ": "JWT"}), func(c *backchannel.Config) { c.AllowUntyped = true }},
		{"several audiences", claim(members{"aud": []string{"api", client}}), nil},
		{"another client of ours", claim(members{"aud": "shop-mobile"}), func(c *backchannel.Config) { c.ClientIDs = []string{client, "shop-mobile"} }},
		{"more events", claim(members{"events": members{event: members{"x": 1}, "https://example/other": members{}}}), nil},
		{"more claims", claim(members{"name": "Ada", "amr": []string{"pwd"}, "nested": members{"sub": "x"}}), nil},
		{"fractions of seconds", claim(members{"iat": float64(time.Now().Unix()) + 0.5, "exp": float64(time.Now().Unix()) + 60.25}), nil},
		{"one algorithm", es.good, func(c *backchannel.Config) { c.Algorithms = []string{"ES256"} }},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := newIDP(rs, es, ed, ps)
			r := newReceiver(t, list, p, row.change)
			sid, sub := "sid-"+strconv.Itoa(i), "sub-"+strconv.Itoa(i)
			wantStatus(t, post(r, row.token(sid, sub)), http.StatusOK)
			if !revoked(t, list, sid, sub) {
				t.Error("the session goes on")
			}
			if revoked(t, list, "another-session", sub) {
				t.Error("another session of the user was ended")
			}
			want := backchannel.Stats{Ended: 1, Fetches: 1, Refused: map[string]uint64{}}
			if diff := cmp.Diff(want, r.Stats()); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
			requests, fetches := r.Counts()
			if diff := cmp.Diff(map[string]uint64{"ok": 1, "failed": 0}, fetches); diff != "" || requests["ended"] != 1 {
				t.Errorf("Counts: %v %v", requests, fetches)
			}
		})
	}
}

// RS384 and the like are accepted only if the configuration names them.
func TestAlgorithmsByName(t *testing.T) {
	list := openList(t, revlog.NewMemory())
	defer list.Close()
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			s := newSigner(t, "1", alg)
			bare := s.jwk() // a provider need not say what its key is for
			delete(bare, "alg")
			delete(bare, "use")
			p := newIDP()
			p.show(bare)
			r := newReceiver(t, list, p, func(c *backchannel.Config) { c.Algorithms = []string{alg} })
			wantStatus(t, post(r, s.good("s", "")), http.StatusOK)
			wantStatus(t, post(newReceiver(t, list, p, func(c *backchannel.Config) { c.Algorithms = []string{other(alg)} }), s.good("s", "")), http.StatusBadRequest)
		})
	}
}

func other(alg string) string {
	if alg == "ES256" {
		return "RS256"
	}
	return "ES256"
}

// Which claims end which sessions (section 2.4).
func TestWhatATokenEnds(t *testing.T) {
	key := newSigner(t, "1", "EdDSA")
	for _, row := range []struct {
		name, sid, sub string
		want           map[string]bool
	}{
		{"sid", "s1", "", map[string]bool{"s1/ada": true, "s2/ada": false, "/ada": false, "s3/bob": false, "/bob": false}},
		{"sub", "", "ada", map[string]bool{"s1/ada": true, "s2/ada": true, "/ada": true, "s3/bob": false, "/bob": false}},
		{"both", "s1", "ada", map[string]bool{"s1/ada": true, "s2/ada": false, "/ada": true, "s3/bob": false, "/bob": false}},
	} {
		t.Run(row.name, func(t *testing.T) {
			list := openList(t, revlog.NewMemory())
			defer list.Close()
			var told []backchannel.Logout
			r := newReceiver(t, list, newIDP(key), func(c *backchannel.Config) {
				c.OnLogout = func(_ context.Context, l backchannel.Logout) { told = append(told, l) }
			})
			wantStatus(t, post(r, key.good(row.sid, row.sub)), http.StatusOK)
			got := map[string]bool{}
			for name := range row.want {
				sid, sub, _ := strings.Cut(name, "/")
				got[name] = revoked(t, list, sid, sub)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("ended (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]backchannel.Logout{{Issuer: issuer, Session: row.sid, Subject: row.sub}}, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// A delivery may be repeated. A copied token does not end a session that began later, neither on
// the replica that saw the token nor on others.
func TestRepeatedTokens(t *testing.T) {
	for _, row := range []struct{ name, sid, sub, group string }{
		{"sid", "s1", "", backchannel.Groups(issuer, "s1", "")[0]},
		{"sub", "", "ada", backchannel.Groups(issuer, "", "ada")[0]},
		{"both, the session", "s1", "ada", backchannel.Groups(issuer, "s1", "")[0]},
		{"both, without a session", "s1", "ada", backchannel.Groups(issuer, "", "ada")[1]},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				key := newSigner(t, "1", "EdDSA")
				list := openList(t, revlog.NewMemory())
				defer list.Close()
				var told int
				count := func(c *backchannel.Config) {
					c.OnLogout = func(context.Context, backchannel.Logout) { told++ }
				}
				here, there := newReceiver(t, list, newIDP(key), count), newReceiver(t, list, newIDP(key), count)
				since := func() time.Time {
					at, ok, err := list.Revoked(t.Context(), revocation.Group(row.group))
					if err != nil || !ok {
						t.Fatal(ok, err)
					}
					return at
				}

				token := key.good(row.sid, row.sub)
				wantStatus(t, post(here, token), http.StatusOK)
				at := since()
				time.Sleep(20 * time.Second)
				for _, r := range []*backchannel.Receiver{here, here, there, there} {
					wantStatus(t, post(r, token), http.StatusOK)
				}
				if again := since(); !again.Equal(at) {
					t.Errorf("a repeated token moved the logout from %v to %v", at, again)
				}
				if told != 1 || here.Stats().Ended != 1 || here.Stats().Repeated != 2 || there.Stats().Repeated != 2 {
					t.Errorf("told %d times, %+v, %+v", told, here.Stats(), there.Stats())
				}
				// A new token is another logout: the session at the provider may have gone on.
				wantStatus(t, post(there, key.good(row.sid, row.sub)), http.StatusOK)
				if again := since(); !again.After(at) {
					t.Error("a second logout did nothing")
				}
			})
		})
	}
}

// A jti names one logout. The provider may sign the token anew when it delivers it again.
func TestReusedJTI(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		key := newSigner(t, "1", "EdDSA")
		list := openList(t, revlog.NewMemory())
		defer list.Close()
		r := newReceiver(t, list, newIDP(key), nil)
		first := claims("s1", "ada")
		want := func(changes members, status int) {
			t.Helper()
			wantStatus(t, post(r, key.token(key.header().json(), first.with(changes).json())), status)
		}
		want(nil, http.StatusOK)
		want(members{"iat": time.Now().Unix() - 1}, http.StatusOK)
		want(members{"sid": "s2"}, http.StatusBadRequest)
		want(members{"sub": "bob"}, http.StatusBadRequest)
		if s := r.Stats(); s.Refused["jti_reused"] != 2 || s.Ended != 1 || s.Repeated != 1 || revoked(t, list, "s2", "bob") {
			t.Errorf("%+v", s)
		}
		// A jti that can no longer be repeated is forgotten.
		time.Sleep(10 * time.Minute)
		want(members{"sid": "s2", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60}, http.StatusOK)
		if !revoked(t, list, "s2", "bob") {
			t.Error("nothing was ended")
		}
	})
}

func TestDeliveriesAtOnce(t *testing.T) {
	key := newSigner(t, "1", "EdDSA")
	list := openList(t, revlog.NewMemory())
	defer list.Close()
	p := newIDP(key)
	var mu sync.Mutex
	told := map[string]int{}
	r := newReceiver(t, list, p, func(c *backchannel.Config) {
		c.OnLogout = func(_ context.Context, l backchannel.Logout) { mu.Lock(); defer mu.Unlock(); told[l.Session]++ }
	})
	var all sync.WaitGroup
	for i := range 8 {
		token := key.good(fmt.Sprint("s", i), "ada")
		for range 4 {
			all.Go(func() {
				if resp := post(r, token); resp.StatusCode != http.StatusOK {
					t.Errorf("answered %d", resp.StatusCode)
				}
			})
		}
	}
	all.Wait()
	for i := range 8 {
		if n := told[fmt.Sprint("s", i)]; n != 1 {
			t.Errorf("told %d times of s%d", n, i)
		}
	}
	if n := p.hits.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	if s := r.Stats(); s.Ended != 8 || s.Repeated != 24 {
		t.Errorf("%+v", s)
	}
}

// Two deliveries of one token that reach the store at the same time are one logout.
func TestDeliveriesThatOverlap(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		key := newSigner(t, "1", "EdDSA")
		store := revlogtest.NewFaulty(revlog.NewMemory())
		list := openList(t, store)
		defer list.Close()
		told := 0
		r := newReceiver(t, list, newIDP(key), func(c *backchannel.Config) {
			c.OnLogout = func(context.Context, backchannel.Logout) { told++ }
		})
		gate := make(chan struct{})
		store.Hook(func(h *revlogtest.Hooks) {
			h.Write = func(ctx context.Context, w revlog.Write) (revlog.Written, error) {
				<-gate
				return store.Unwrap().Write(ctx, w)
			}
		})
		token := key.good(sid, sub)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if resp := post(r, token); resp.StatusCode != http.StatusOK {
					t.Errorf("answered %d", resp.StatusCode)
				}
			})
		}
		synctest.Wait()
		close(gate)
		all.Wait()
		if s := r.Stats(); told != 1 || s.Ended != 1 || s.Repeated != 2 {
			t.Errorf("told %d times, %+v", told, s)
		}
	})
}

// No logout is confirmed to the provider before the store confirms it, and the same token may be
// sent again.
func TestSilentStore(t *testing.T) {
	key := newSigner(t, "1", "EdDSA")
	for _, row := range []struct{ name, sid, sub string }{{"sid", sid, ""}, {"sub", "", sub}, {"both", sid, sub}} {
		t.Run(row.name, func(t *testing.T) {
			store := revlogtest.NewFaulty(revlog.NewMemory())
			list := openList(t, store)
			defer list.Close()
			var log logtest.Log
			told := 0
			r := newReceiver(t, list, newIDP(key), func(c *backchannel.Config) {
				c.OnLogout = func(context.Context, backchannel.Logout) { told++ }
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			token := key.good(row.sid, row.sub)
			store.Fail()
			resp := post(r, token)
			wantStatus(t, resp, http.StatusServiceUnavailable)
			if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || after < 1 || after > 30 {
				t.Errorf("Retry-After is %q", resp.Header.Get("Retry-After"))
			}
			var problem struct{ Error string }
			if err := json.NewDecoder(resp.Body).Decode(&problem); err != nil || problem.Error != "temporarily_unavailable" {
				t.Errorf("%+v, %v", problem, err)
			}
			if told != 0 || r.Stats().Unavailable != 1 || r.Stats().Ended != 0 {
				t.Errorf("told %d times, %+v", told, r.Stats())
			}
			if !revoked(t, list, row.sid, row.sub) {
				t.Error("this replica does not refuse what it was asked to end")
			}
			wantNoSecrets(t, log.String(), token)

			store.Recover()
			wantStatus(t, post(r, token), http.StatusOK)
			if told != 1 || r.Stats().Ended != 1 {
				t.Errorf("told %d times, %+v", told, r.Stats())
			}
		})
	}
}

// Each clock may be a minute off, and no more.
func TestTheEdgesOfTime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		key := newSigner(t, "1", "EdDSA")
		list := openList(t, revlog.NewMemory())
		defer list.Close()
		zero := newReceiver(t, list, newIDP(key), nil)
		tight := newReceiver(t, list, newIDP(key), func(c *backchannel.Config) { c.Leeway, c.MaxAge = time.Second, 2*time.Minute })
		now := time.Now().Unix()
		for _, row := range []struct {
			name     string
			r        *backchannel.Receiver
			iat, exp int64
			status   int
		}{
			{"in the future", zero, 60, 61, 200},
			{"too far in the future", zero, 61, 62, 400},
			{"over", zero, -120, -59, 200},
			{"over for too long", zero, -120, -60, 400},
			{"old", zero, -360, 10, 200},
			{"too old", zero, -361, 10, 400},
			{"lives long", zero, 0, 360, 200},
			{"lives too long", zero, 0, 361, 400},
			{"tight: in the future", tight, 1, 2, 200},
			{"tight: too far in the future", tight, 2, 3, 400},
			{"tight: over", tight, -10, 0, 200},
			{"tight: over for too long", tight, -10, -1, 400},
			{"tight: old", tight, -121, 10, 200},
			{"tight: too old", tight, -122, 10, 400},
			{"tight: lives long", tight, 0, 121, 200},
			{"tight: lives too long", tight, 0, 122, 400},
		} {
			token := key.token(key.header().json(), claims("s", "").with(members{"iat": now + row.iat, "exp": now + row.exp}).json())
			if resp := post(row.r, token); resp.StatusCode != row.status {
				t.Errorf("%s: answered %d", row.name, resp.StatusCode)
			}
		}
	})
}

// However often a bad token arrives, there is one warning a minute.
func TestWarningsAreFew(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		key := newSigner(t, "1", "EdDSA")
		list := openList(t, revlog.NewMemory())
		defer list.Close()
		var log logtest.Log
		r := newReceiver(t, list, newIDP(key), func(c *backchannel.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		for range 120 {
			post(r, "a.b.c")
			postBody(r, "")
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "reason=malformed"); n != 2 {
			t.Errorf("%d warnings in two minutes", n)
		}
		if s := r.Stats(); s.Refused["malformed"] != 120 || s.Refused["request"] != 120 {
			t.Errorf("%+v", s)
		}
	})
}

func TestLogoutsDoNotPrint(t *testing.T) {
	l := backchannel.Logout{Issuer: issuer, Session: sid, Subject: sub}
	var b strings.Builder
	fmt.Fprintf(&b, "%v %+v %#v %s", l, l, l, l)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("logout", "logout", l)
	if s := b.String(); strings.Contains(s, sid) || strings.Contains(s, sub) || !strings.Contains(s, issuer) {
		t.Error(s)
	}
}

// The answer to an accepted token has no body.
func TestAnswer(t *testing.T) {
	key := newSigner(t, "1", "EdDSA")
	list := openList(t, revlog.NewMemory())
	defer list.Close()
	resp := post(newReceiver(t, list, newIDP(key), nil), key.good(sid, sub))
	body, err := io.ReadAll(resp.Body)
	if err != nil || len(body) != 0 || len(resp.Cookies()) != 0 || resp.StatusCode != http.StatusOK {
		t.Errorf("%d %q %v", resp.StatusCode, body, err)
	}
}
