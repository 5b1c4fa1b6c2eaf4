package backchannel_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/backchannel"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A replica is one process of an application, over TLS, with its own list over a store that all
// replicas share.
type replica struct {
	*httptest.Server
	list *revocation.List
}

func newReplica(t *testing.T, ring *keys.Ring, store revlog.Store, providerURL string, trust *http.Client) *replica {
	t.Helper()
	list, err := revocation.Open(t.Context(), store, ring, revocation.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	manager, err := httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	logout, err := backchannel.New(list, backchannel.Config{
		Issuer: providerURL, ClientIDs: []string{client}, HTTPClient: trust, Logger: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/backchannel-logout", logout)
	mux.HandleFunc("POST /callback", func(w http.ResponseWriter, r *http.Request) {
		since := manager.Now(r.Context()) // a real application compares state, exchanges the code and verifies the ID token here
		sid, sub := r.FormValue("sid"), r.FormValue("sub")
		err := manager.From(r.Context()).Login(r.Context(), httpmw.Identity{
			Subject: "user of " + sub, Groups: backchannel.Groups(providerURL, sid, sub), Since: since,
		})
		if err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("GET /{$}", manager.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, manager.From(r.Context()).Subject())
	})))
	// The provider is not a browser, so the protection against requests from other sites lets its
	// posts through.
	server := httptest.NewTLSServer(http.NewCrossOriginProtection().Handler(manager.Handler(mux)))
	t.Cleanup(server.Close)
	return &replica{server, list}
}

// After a login at one replica and the provider's logout at another, both refuse the session within
// the promised time, and no other session.
func TestLogoutReachesEveryReplica(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			key := newSigner(t, "1", alg)
			p := newIDP(key)
			provider := httptest.NewTLSServer(p)
			t.Cleanup(provider.Close)
			p.issuer, p.host = provider.URL, provider.URL

			ring, store := keys.Generate(0), revlog.NewMemory()
			replicas := []*replica{
				newReplica(t, ring, store, provider.URL, provider.Client()),
				newReplica(t, ring, store, provider.URL, provider.Client()),
			}
			ada, phone, bob := newBrowser(t, replicas), newBrowser(t, replicas), newBrowser(t, replicas)
			ada.login(replicas[0], "s1", "ada")
			phone.login(replicas[1], "s2", "ada")
			bob.login(replicas[1], "s3", "bob")
			for _, r := range replicas {
				ada.want(r, http.StatusOK)
				phone.want(r, http.StatusOK)
				bob.want(r, http.StatusOK)
			}

			begin := time.Now()
			logout := func(r *replica, sid, sub string) {
				token := key.token(key.header().json(), claims(sid, sub).with(members{"iss": provider.URL}).json())
				resp, err := r.Client().PostForm(r.URL+"/backchannel-logout", url.Values{"logout_token": {token}})
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				wantStatus(t, resp, http.StatusOK)
				if len(resp.Cookies()) != 0 {
					t.Error("the provider was given cookies")
				}
			}
			logout(replicas[1], "s1", "ada")
			acknowledged := time.Now()
			ada.want(replicas[1], http.StatusUnauthorized)
			for ada.get(replicas[0]) != http.StatusUnauthorized {
				if d := time.Since(acknowledged); d > replicas[0].list.Replica().Within() {
					t.Fatalf("still accepted after %v", d)
				}
			}
			t.Logf("acknowledged after %v, refused by the other replica after %v", acknowledged.Sub(begin), time.Since(begin))
			phone.want(replicas[0], http.StatusOK)

			// A token for the user ends her remaining sessions, and she can log in again at once.
			logout(replicas[0], "", "ada")
			phone.want(replicas[0], http.StatusUnauthorized)
			ada.login(replicas[1], "s4", "ada")
			ada.want(replicas[1], http.StatusOK)
			for until := time.Now().Add(replicas[1].list.Replica().Within()); phone.get(replicas[1]) != http.StatusUnauthorized; {
				if time.Now().After(until) {
					t.Fatal("the other device goes on")
				}
			}
			ada.want(replicas[0], http.StatusOK)
			bob.want(replicas[0], http.StatusOK)
			bob.want(replicas[1], http.StatusOK)
		})
	}
}

// A browser shares its cookies among all replicas, as behind one address: the jar knows hosts, not
// ports.
type browser struct {
	t testing.TB
	c *http.Client
}

func newBrowser(t testing.TB, replicas []*replica) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for _, r := range replicas {
		pool.AddCert(r.Certificate())
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(tr.CloseIdleConnections)
	return &browser{t, &http.Client{Jar: jar, Transport: tr}}
}

func (b *browser) login(r *replica, sid, sub string) {
	b.t.Helper()
	resp, err := b.c.Post(r.URL+"/callback", "application/x-www-form-urlencoded", strings.NewReader(url.Values{"sid": {sid}, "sub": {sub}}.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) == 0 {
		b.t.Fatalf("login: %d", resp.StatusCode)
	}
}

func (b *browser) get(r *replica) int {
	b.t.Helper()
	resp, err := b.c.Get(r.URL + "/")
	if err != nil {
		b.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func (b *browser) want(r *replica, status int) {
	b.t.Helper()
	if got := b.get(r); got != status {
		b.t.Fatalf("answered %d, want %d", got, status)
	}
}
