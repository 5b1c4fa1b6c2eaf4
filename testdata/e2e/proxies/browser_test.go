package proxies

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
)

// client is the address that browsers come from. Proxies come from 127.0.0.1.
const client = "127.0.0.9"

var origin, _ = url.Parse(shop)

const (
	shop    = "https://shop.example"
	console = "https://admin.example"
)

// A browser keeps cookies, and sends Secure ones over https only.
type browser struct {
	t *testing.T
	*http.Client
	header http.Header // of each request
}

// browser returns one that speaks HTTP/2 if the proxy does, or only HTTP/1.1.
func (p *proxy) browser(t *testing.T, http2 bool) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, p.addr)
		},
		TLSClientConfig:   &tls.Config{RootCAs: certificate().pool},
		ForceAttemptHTTP2: http2,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t, &http.Client{Timeout: patience, Jar: jar, Transport: transport}, http.Header{}}
}

// direct returns a browser that reaches one replica without a proxy. For its jar it uses https.
func (f *fleet) direct(t *testing.T) *browser {
	b := (&proxy{}).browser(t, false)
	b.Transport = direct(f.all[0].App)
	return b
}

// direct is the address of a replica that speaks plain http.
type direct string

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Host, r.URL.Scheme, r.URL.Host = r.URL.Host, "http", string(d)
	return http.DefaultTransport.RoundTrip(r)
}

// copy returns a browser with the same cookies now, and a connection of its own.
func (b *browser) copy(t *testing.T, p *proxy, http2 bool) *browser {
	c := p.browser(t, http2)
	c.keep(b.Jar.Cookies(origin)...)
	return c
}

// keep puts cookies into the jar.
func (b *browser) keep(all ...*http.Cookie) {
	for _, c := range all {
		c.Path, c.Secure = "/", true
	}
	b.Jar.SetCookies(origin, all)
}

// An answer is a response that has been read.
type answer struct {
	*http.Response
	reply
	text string
}

// try sends a request.
func (b *browser) try(method, url, body string) (*answer, error) {
	r, err := http.NewRequestWithContext(b.t.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	for name, values := range b.header {
		r.Header[name] = values
	}
	res, err := b.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	a := &answer{Response: res, text: string(text)}
	a.reply.Replica = -1
	json.Unmarshal(text, &a.reply) // what a proxy says is no JSON
	return a, nil
}

// send is try for requests that must get an answer.
func (b *browser) send(method, url, body string) *answer {
	b.t.Helper()
	a, err := b.try(method, url, body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

// ok is send for requests that must get status 200.
func (b *browser) ok(method, url string) *answer {
	b.t.Helper()
	a := b.send(method, url, "")
	if a.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: status %s: %s", method, url, a.Status, a.text)
	}
	return a
}
