package backchannel_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/backchannel"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A provider elsewhere cannot make this machine send requests to services on its loopback
// addresses.
func TestDiscoveryDoesNotLeadToThisMachine(t *testing.T) {
	for _, row := range []struct {
		name     string
		insecure bool
		scheme   string // of the server that the document names
		host     string // by which the document names it
		redirect bool   // whether the document's server redirects to it instead
	}{
		{"http", false, "http", "127.0.0.1", false},
		{"https", false, "https", "127.0.0.1", false},
		{"https by the unspecified address", false, "https", "0.0.0.0", false},
		{"https by another name", false, "https", "LocalHost", false},
		{"https by an absolute name", false, "https", "localhost.", false},
		{"http with InsecureHTTP", true, "http", "127.0.0.1", false},
		{"redirect", false, "http", "127.0.0.1", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var reached atomic.Int64
			here := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				reached.Add(1)
				io.WriteString(w, `{"keys":[]}`)
			})
			service := httptest.NewServer(here)
			if row.scheme == "https" {
				service.Close()
				service = httptest.NewTLSServer(here)
			}
			defer service.Close()
			address := strings.Replace(service.URL, "127.0.0.1", row.host, 1)

			const elsewhere = "https://id.example"
			provider := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if row.redirect {
					http.Redirect(w, r, address, http.StatusFound)
					return
				}
				io.WriteString(w, members{"issuer": elsewhere, "jwks_uri": address + "/keys"}.json())
			}))
			defer provider.Close()

			transport := &http.Transport{
				// the test is about where requests go
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
				DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					if address == "id.example:443" {
						address = provider.Listener.Addr().String()
					}
					return new(net.Dialer).DialContext(ctx, network, address)
				},
			}
			defer transport.CloseIdleConnections()
			list := openList(t, revlog.NewMemory())
			defer list.Close()
			r, err := backchannel.New(list, backchannel.Config{
				Issuer: elsewhere, ClientIDs: []string{client}, HTTPClient: &http.Client{Transport: transport}, InsecureHTTP: row.insecure, Logger: quiet(),
			})
			if err != nil {
				t.Fatal(err)
			}
			wantStatus(t, post(r, from(newSigner(t, "1", "EdDSA"), elsewhere)), http.StatusServiceUnavailable)
			if n := reached.Load(); n != 0 {
				t.Errorf("a service of this machine was asked %d times", n)
			}
			if r.Stats().FetchErrors != 1 {
				t.Errorf("%+v", r.Stats())
			}
		})
	}
}

// An issuer on this machine may have its keys there.
func TestDiscoveryOnThisMachine(t *testing.T) {
	key := newSigner(t, "1", "EdDSA")
	p := newIDP(key)
	server := httptest.NewServer(p)
	defer server.Close()
	p.mu.Lock()
	p.issuer, p.host = server.URL, server.URL
	p.mu.Unlock()
	list := openList(t, revlog.NewMemory())
	defer list.Close()
	r := newReceiver(t, list, p, func(c *backchannel.Config) { c.Issuer, c.HTTPClient = server.URL, server.Client() })
	wantStatus(t, post(r, from(key, server.URL)), http.StatusOK)
}

// from returns a good token of an issuer.
func from(s signer, issuer string) string {
	c := claims(sid, sub)
	c["iss"] = issuer
	return s.token(s.header().json(), c.json())
}
