package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
)

// discard is a response that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

func bare(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }

func TestAllocations(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		r, strong := steady(t, f, ""), steady(t, f, "mfa")
		none := httptest.NewRequest("GET", "https://app.test/", nil)
		w := &discard{http.Header{}}
		measure := func(h http.Handler, r *http.Request) float64 {
			return testing.AllocsPerRun(200, func() {
				clear(w.header)
				h.ServeHTTP(w, r)
			})
		}
		floor := measure(http.HandlerFunc(bare), r)
		for name, row := range map[string]struct {
			h   http.Handler
			r   *http.Request
			max float64
		}{
			"no cookie": {f.Handler(http.HandlerFunc(bare)), none, 2},
			"untouched": {f.Handler(http.HandlerFunc(bare)), r, 3},
			"read": {f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !f.From(r.Context()).LoggedIn() {
					t.Error("not logged in")
				}
				w.WriteHeader(200)
			})), r, 5},
			"required":          {f.Require(http.HandlerFunc(bare)), r, 5},
			"a method required": {f.RequireThat(httpmw.Requirements{Methods: []string{"mfa"}})(http.HandlerFunc(bare)), strong, 5},
			"required, subject read": {f.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if f.From(r.Context()).Subject() != "ann" {
					t.Error("not ann")
				}
				w.WriteHeader(200)
			})), r, 5},
		} {
			if got := measure(row.h, row.r) - floor; got > row.max {
				t.Errorf("%s: %v allocations more than bare, want at most %v", name, got, row.max)
			}
		}
	})
}

// BenchmarkRequest compares whole requests in process. The numbers to look at are ratios within one run.
func BenchmarkRequest(b *testing.B) {
	f := newFixture(b, httpmw.Config{})
	r := steady(b, f, "")
	none := httptest.NewRequest("GET", "https://app.test/", nil)
	run := func(name string, h http.Handler, r *http.Request) {
		b.Run(name, func(b *testing.B) {
			w := &discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
	run("bare", http.HandlerFunc(bare), r)
	run("one cookie by net/http", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie(sessionName); err != nil {
			b.Fatal(err)
		}
		w.WriteHeader(200)
	}), r)
	run("no cookie", f.Handler(http.HandlerFunc(bare)), none)
	run("untouched", f.Handler(http.HandlerFunc(bare)), r)
	run("required", f.Require(http.HandlerFunc(bare)), r)
	run("value read", f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(f.From(r.Context()).Value().Items) != 2 {
			b.Fatal("no items")
		}
		w.WriteHeader(200)
	})), r)
	run("value written", f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f.From(r.Context()).Set(cart{Note: "x"}); err != nil {
			b.Fatal(err)
		}
		w.WriteHeader(200)
	})), r)
}

// steady returns a request that holds both cookies and needs no renewal, of a login by these methods.
func steady(tb testing.TB, f *fixture, methods string) *http.Request {
	b := newBrowser()
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann", Groups: []string{"tenant:7"}, Methods: strings.Fields(methods)}); err != nil {
			tb.Fatal(err)
		}
		if err := s.Set(cart{Note: string(make([]byte, 40)), Items: []string{"tea", "milk"}}); err != nil {
			tb.Fatal(err)
		}
	})
	f.age(tb, b, 10*time.Minute)
	f.look(b)
	if len(b.jar) != 2 {
		tb.Fatalf("jar %v", b.jar)
	}
	r := b.request()
	r.Header.Set("Cookie", "theme=dark; _ga=GA1.1.123456789.1700000000; "+r.Header.Get("Cookie"))
	return r
}
