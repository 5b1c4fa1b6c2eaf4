package backchannel_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/backchannel"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func TestKeysAreFetchedWhenNeeded(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		first, second := newSigner(t, "1", "ES256"), newSigner(t, "2", "EdDSA")
		p := newIDP(first)
		store := revlogtest.NewFaulty(revlog.NewMemory())
		list, err := revocation.Open(t.Context(), store, keys.Generate(0), revocation.Config{Within: 5 * time.Minute, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		defer list.Close()
		r := newReceiver(t, list, p, nil)
		want := func(token string, status int, hits int64) {
			t.Helper()
			wantStatus(t, post(r, token), status)
			if n := p.hits.Load(); n != hits {
				t.Fatalf("the keys were fetched %d times, want %d", n, hits)
			}
		}
		if p.hits.Load() != 0 {
			t.Fatal("New asked the provider")
		}
		want(first.good("s", ""), 200, 1)
		want(first.good("s", ""), 200, 1)

		// The provider rotates. An unknown key is looked up, once in ten seconds.
		p.rotate(first, second)
		want(second.good("s", ""), 503, 1)
		time.Sleep(10 * time.Second)
		want(second.good("s", ""), 200, 2)
		want(first.good("s", ""), 200, 2)
		stranger := newSigner(t, "3", "EdDSA")
		want(stranger.good("s", ""), 503, 2)
		time.Sleep(10 * time.Second)
		want(stranger.good("s", ""), 400, 3)
		want(stranger.good("s", ""), 503, 3)

		// A key that the provider withdraws is accepted for at most a quarter of an hour.
		p.rotate(second)
		time.Sleep(14 * time.Minute)
		want(first.good("s", ""), 200, 3)
		time.Sleep(time.Minute)
		want(first.good("s", ""), 400, 4)
		want(second.good("s", ""), 200, 4)

		// The provider is down: its previous keys serve for a day, and one request in ten seconds
		// waits for it.
		p.down()
		time.Sleep(16 * time.Minute)
		want(second.good("s", ""), 200, 5-1) // discovery already fails
		if s := r.Stats(); s.FetchErrors != 1 {
			t.Errorf("%+v", s)
		}
		store.Hook(func(h *revlogtest.Hooks) { // or the list would read all day
			h.Read = func(ctx context.Context, _ revlog.Cursor) (revlog.Page, error) {
				<-ctx.Done()
				return revlog.Page{}, ctx.Err()
			}
		})
		time.Sleep(23 * time.Hour)
		want(second.good("s", ""), 200, 4)
		time.Sleep(time.Hour)
		want(second.good("s", ""), 503, 4)
		p.instead(nil)
		time.Sleep(10 * time.Second)
		want(second.good("s", ""), 200, 5)
	})
}

// Tokens that arrive while the provider is down can be sent again.
func TestProviderDownFromTheStart(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		key := newSigner(t, "1", "EdDSA")
		p := newIDP(key)
		p.down()
		list := openList(t, revlog.NewMemory())
		defer list.Close()
		r := newReceiver(t, list, p, nil)
		token := key.good(sid, sub)
		for range 3 {
			resp := post(r, token)
			wantStatus(t, resp, http.StatusServiceUnavailable)
			if resp.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		if n := r.Stats().Fetches; n != 1 {
			t.Errorf("the provider was asked %d times", n)
		}
		p.instead(nil)
		time.Sleep(10 * time.Second)
		wantStatus(t, post(r, token), http.StatusOK)
	})
}

// One fetch serves all waiting callers, even if the caller that began it goes away.
func TestOneFetchServesAll(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		key := newSigner(t, "1", "EdDSA")
		p := newIDP(key)
		p.gate = make(chan struct{})
		list := openList(t, revlog.NewMemory())
		defer list.Close()
		r := newReceiver(t, list, p, nil)

		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			req := httptest.NewRequestWithContext(ctx, "POST", "/", strings.NewReader(form(key.good("first", ""))))
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.ServeHTTP(httptest.NewRecorder(), req)
		})
		synctest.Wait()
		for range 5 {
			all.Go(func() {
				if resp := post(r, key.good("s", "")); resp.StatusCode != http.StatusOK {
					t.Errorf("answered %d", resp.StatusCode)
				}
			})
		}
		synctest.Wait()
		leave()
		close(p.gate)
		all.Wait()
		if n := p.hits.Load(); n != 1 {
			t.Errorf("fetched %d times", n)
		}
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A provider that hangs holds up a request for a few seconds. A transport that panics holds up no
// later request.
func TestABadTransport(t *testing.T) {
	for _, row := range []struct {
		name string
		trip transport
	}{
		{"hangs", func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }},
		{"panics", func(*http.Request) (*http.Response, error) { panic("transport") }},
		{"fails", func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				key := newSigner(t, "1", "EdDSA")
				list := openList(t, revlog.NewMemory())
				defer list.Close()
				p := newIDP(key)
				broken := true
				r := newReceiver(t, list, p, func(c *backchannel.Config) {
					c.HTTPClient = &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
						if broken {
							return row.trip(req)
						}
						return p.RoundTrip(req)
					})}
				})
				begin := time.Now()
				func() {
					defer func() { _ = recover() }()
					wantStatus(t, post(r, key.good("s", "")), http.StatusServiceUnavailable)
				}()
				if d := time.Since(begin); d > 5*time.Second {
					t.Errorf("took %v", d)
				}
				broken = false
				time.Sleep(10 * time.Second)
				wantStatus(t, post(r, key.good("s", "")), http.StatusOK)
			})
		})
	}
}

// Invalid answers of a provider give no keys, so no logout, and never a key from elsewhere.
func TestBadProviderDocuments(t *testing.T) {
	key := newSigner(t, "1", "EdDSA")
	discovery := func(iss, jwks string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
				io.WriteString(w, members{"issuer": iss, "jwks_uri": jwks}.json())
				return
			}
			io.WriteString(w, members{"keys": []any{key.jwk()}}.json())
		}
	}
	set := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
				io.WriteString(w, members{"issuer": issuer, "jwks_uri": "https://id.example/keys"}.json())
				return
			}
			io.WriteString(w, body)
		}
	}
	many := make([]any, 101)
	for i := range many {
		many[i] = key.jwk()
	}
	symmetric := members{"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "kid": "1", "alg": "EdDSA"}
	for _, row := range []struct {
		name   string
		serve  http.HandlerFunc
		status int
	}{
		{"as it should be", discovery(issuer, "https://id.example/keys"), 200},
		{"keys on another host", discovery(issuer, "https://keys.example/keys"), 200},
		{"of another issuer", discovery("https://evil.example", "https://id.example/keys"), 503},
		{"keys over http", discovery(issuer, "http://id.example/keys"), 503},
		{"keys in a file", discovery(issuer, "file:///etc/keys"), 503},
		{"no address of keys", discovery(issuer, ""), 503},
		{"not JSON", set("<html>"), 503},
		{"no keys", set(`{"keys":[]}`), 503},
		{"symmetric keys only", set(members{"keys": []any{symmetric}}.json()), 503},
		{"too many keys", set(members{"keys": many}.json()), 503},
		{"too long", set(members{"keys": []any{key.jwk()}, "x": strings.Repeat("x", 1<<20)}.json()), 503},
		{"a key of a kind to come", set(members{"keys": []any{members{"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"}, 7, symmetric, key.jwk()}}.json()), 200},
		{"redirect on the host", func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/moved") {
				http.Redirect(w, r, "/moved"+r.URL.Path, http.StatusFound)
				return
			}
			discovery(issuer, "https://id.example/keys")(w, r)
		}, 200},
		{"redirect to another host", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Host == "id.example" {
				http.Redirect(w, r, "https://evil.example"+r.URL.Path, http.StatusFound)
				return
			}
			discovery(issuer, "https://id.example/keys")(w, r)
		}, 503},
		{"redirect to http", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Scheme == "https" {
				http.Redirect(w, r, "http://id.example"+r.URL.Path, http.StatusFound)
				return
			}
			discovery(issuer, "https://id.example/keys")(w, r)
		}, 503},
		{"redirect for ever", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, 503},
	} {
		t.Run(row.name, func(t *testing.T) {
			list := openList(t, revlog.NewMemory())
			defer list.Close()
			p := newIDP(key)
			p.instead(row.serve)
			asked := 0
			r := newReceiver(t, list, p, func(c *backchannel.Config) {
				c.HTTPClient = &http.Client{Transport: transport(func(req *http.Request) (*http.Response, error) {
					asked++
					return p.RoundTrip(req)
				})}
			})
			wantStatus(t, post(r, key.good(sid, sub)), row.status)
			if asked > 4 {
				t.Errorf("asked %d times", asked)
			}
			if revoked(t, list, sid, sub) != (row.status == 200) {
				t.Error("the answer and the deed differ")
			}
		})
	}
}

// With JWKSURL nothing is discovered. The redirect policy and the cookies of the application's
// client are not used.
func TestJWKSURL(t *testing.T) {
	key := newSigner(t, "1", "EdDSA")
	p := newIDP(key)
	list := openList(t, revlog.NewMemory())
	defer list.Close()
	var asked []string
	r := newReceiver(t, list, p, func(c *backchannel.Config) {
		c.Issuer, c.JWKSURL = "urn:of:an:issuer", "https://id.example/keys"
		c.HTTPClient = &http.Client{
			Transport: transport(func(req *http.Request) (*http.Response, error) {
				asked = append(asked, req.URL.String())
				return p.RoundTrip(req)
			}),
			CheckRedirect: func(*http.Request, []*http.Request) error {
				t.Error("asked the application's CheckRedirect")
				return nil
			},
		}
	})
	token := key.token(key.header().json(), claims(sid, "").with(members{"iss": "urn:of:an:issuer"}).json())
	wantStatus(t, post(r, token), http.StatusOK)
	if len(asked) != 1 || asked[0] != "https://id.example/keys" {
		t.Errorf("asked %q", asked)
	}
}
