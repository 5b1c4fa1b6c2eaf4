package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// applications starts applications with an admin API. Scripts run at the same time, so that only one of
// them may revoke a key of a ring. It returns variables that say where they are, and
// what writes the certificates for the one that wants one.
func (h *house) applications() (variables map[string]string, writeCertificates func(dir string) error) {
	ring := keys.Generate(0)
	file, leaky, unlisted, audited := ringFile(h.t), ringFile(h.t), ringFile(h.t), ringFile(h.t)
	site := h.serve(h.list(revlog.NewMemory(), ring), keys.Static(ring))
	keeper := h.serve(h.list(revlog.NewMemory(), file.Ring()), file)
	outage, leakyOutage := revlogtest.NewFaulty(revlog.NewMemory()), revlogtest.NewFaulty(revlog.NewMemory())
	mutual, writeCertificates := serveTLS(h.t, h.list(revlog.NewMemory(), ring), keys.Static(ring), h.records())
	variables = map[string]string{
		"SITE": site, "ADMIN": site + "/admin", "STATICKEY": keyOf(ring), // it cannot change its ring
		"KEEPER": keeper + "/admin", "KEEPERKEY": keyOf(file.Ring()), // it can
		"AUDITED": h.serve(h.list(revlog.NewMemory(), audited.Ring()), audited) + "/admin", "AUDITEDKEY": keyOf(audited.Ring()), // so can it
		"GATEWAY": impatient(h.t, keeper) + "/admin", // in front of that one
		"OUTAGE":  h.serve(h.list(outage, ring), keys.Static(ring)) + "/admin",
		// It can change its ring.
		"LEAKYOUTAGE": h.serve(h.list(leakyOutage, leaky.Ring()), leaky) + "/admin", "LEAKYKEY": keyOf(leaky.Ring()),
		"LISTLESS": h.serve(revocation.Disabled(unlisted.Ring()), unlisted) + "/admin", "LISTLESSKEY": keyOf(unlisted.Ring()),
		"TLSADMIN": mutual, // it wants a client certificate
	}
	outage.Fail()
	leakyOutage.Fail()
	return variables, writeCertificates
}

func (h *house) records() slog.Handler { return slog.NewTextHandler(h.log, nil) }

func keyOf(r *keys.Ring) string { return r.Keys()[0].ID() }

// list opens the list in s.
func (h *house) list(s revlog.Store, ring *keys.Ring) *revocation.List {
	h.t.Helper()
	l, err := revocation.Open(h.t.Context(), s, ring, revocation.Config{Logger: quiet, Audit: h.records()})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	return l
}

// serve starts an application with an admin API over this list and this ring.
func (h *house) serve(list *revocation.List, source keys.Source) (url string) {
	h.t.Helper()
	handler, err := admin.New(list, source, admin.Config{Token: "a token of the admin API, long enough", Audit: h.records()})
	if err != nil {
		h.t.Fatal(err)
	}
	app := httptest.NewServer(http.StripPrefix("/admin", handler))
	h.t.Cleanup(app.Close)
	return app.URL
}

// ringFile makes a ring in a file.
func ringFile(t *testing.T) *keys.File {
	t.Helper()
	file, err := keys.OpenFile(t.Context(), filepath.Join(t.TempDir(), "ring.json"), keys.InsecurePlaintext(),
		keys.FileConfig{Create: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// impatient starts a proxy that passes reads on and does not wait for changes.
func impatient(t *testing.T, application string) (address string) {
	t.Helper()
	target, err := url.Parse(application)
	if err != nil {
		t.Fatal(err)
	}
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			through.ServeHTTP(w, r)
			return
		}
		http.Error(w, "no answer in time", http.StatusGatewayTimeout)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}
