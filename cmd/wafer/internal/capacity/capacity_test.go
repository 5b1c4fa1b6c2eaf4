package capacity

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

type basket struct{ Items string }

// A browser is a visitor who keeps cookies.
type browser struct {
	handler http.Handler
	cookies map[string]string
	set     int // cookies of renewals that came
}

func (b *browser) get(path string) {
	r := httptest.NewRequest(http.MethodGet, "https://shop.example"+path, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c.Value
		if strings.HasSuffix(c.Name, "-seen") {
			b.set++
		}
	}
}

// Somebody logs in and then looks at a page every ten seconds for an hour.
func TestCookiesAndSeals(t *testing.T) {
	for name, l := range map[string]Load{
		"small": {Sessions: 1, Idle: 2 * time.Hour, Data: len(`{"Items":""}`), Subject: 1},
		"large": {Sessions: 1, Idle: 2 * time.Hour, Data: len(`{"Items":""}`) + 1500, Subject: 36},
		"short": {Sessions: 1, Idle: 15 * time.Minute, Data: len(`{"Items":""}`) + 10, Subject: 12},
	} {
		t.Run(name, func(t *testing.T) { bubble.Test(t, func(t *testing.T) { checkCookies(t, l) }) })
	}
}

func checkCookies(t *testing.T, l Load) {
	ring := keys.Generate(24 * time.Hour)
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	sessions, err := httpmw.New[basket](keys.Static(ring), list, httpmw.Config{Idle: l.Idle, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		user := httpmw.Identity{Subject: strings.Repeat("u", l.Subject), Since: sessions.Now(r.Context())}
		if err := s.Login(r.Context(), user); err != nil {
			t.Error(err)
		}
		if err := s.Set(basket{strings.Repeat("x", l.Data-len(`{"Items":""}`))}); err != nil {
			t.Error(err)
		}
	})
	mux.Handle("/", sessions.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	b := &browser{handler: sessions.Handler(mux), cookies: map[string]string{}}
	b.get("/login")
	const visit = time.Hour
	for begin := time.Now(); time.Since(begin) < visit; time.Sleep(10 * time.Second) {
		b.get("/")
	}
	c := cookiesOf(l)
	const name = "__Host-Http-session"
	if got := len(name) + 1 + len(b.cookies[name]); got > c.Session || got < c.Session-4 {
		t.Errorf("the cookie of the session has %d bytes, estimated %d", got, c.Session)
	}
	if got := len(name+"-seen") + 1 + len(b.cookies[name+"-seen"]); got > c.Renewal || got < c.Renewal/2 {
		t.Errorf("the cookie of the renewal has %d bytes, estimated %d", got, c.Renewal)
	} else {
		t.Logf("the cookie of the renewal has %d bytes", got)
	}
	near(t, "seals in an hour", keysOf(l).SealsPerSecond*visit.Seconds(), float64(b.set))
}
