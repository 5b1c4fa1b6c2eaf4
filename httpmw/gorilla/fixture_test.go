package gorilla_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/gorilla"
	"github.com/wafer-sessions/wafer/httpmw/wafertest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	oldName = "legacy"
	newName = "__Host-Http-session"
)

// prefs is the data of the sessions in these tests.
type prefs struct {
	Theme string `json:"theme,omitempty"`
}

// read makes a session of the old application's values.
func read(values map[any]any) (id httpmw.Identity, data prefs, ok bool) {
	id.Subject, _ = values["user"].(string)
	data.Theme, _ = values["theme"].(string)
	out, _ := values["out"].(bool)
	return id, data, !out
}

func secret(fill byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = fill + byte(i)
	}
	return b
}

// codecs are the key pairs of the old application, newest first, as CodecsFromPairs makes them.
func codecs() []securecookie.Codec {
	return securecookie.CodecsFromPairs(secret(1, 32), secret(2, 32), secret(3, 64), nil)
}

// encode makes an old cookie, now.
func encode(t testing.TB, c securecookie.Codec, values any) string {
	t.Helper()
	s, err := c.Encode(oldName, values)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// replica is one replica of the new application.
type replica struct {
	*httpmw.Manager[prefs]
	*gorilla.Mover[prefs]
	list *revocation.List
	kit  *wafertest.Kit[prefs] // if there is one replica
}

// oldUntil says that old replicas run for more than these tests, or no more.
func oldUntil(run bool) time.Time {
	if !run {
		return time.Time{}
	}
	return time.Now().Add(24 * time.Hour)
}

func config(c gorilla.Config[prefs]) gorilla.Config[prefs] {
	c.Cookie, c.Read = oldName, read
	if c.Logger == nil {
		c.Logger = quiet()
	}
	if c.Codecs == nil {
		c.Codecs = codecs()
	}
	if c.From.IsZero() {
		c.From = time.Now()
		c.Until = c.From.Add(14 * 24 * time.Hour)
	}
	return c
}

// alone is one replica, with a store that can be taken away.
func alone(t testing.TB, c gorilla.Config[prefs]) *replica {
	t.Helper()
	return within(t, httpmw.Config{}, c)
}

// within is such a replica with other limits.
func within(t testing.TB, limits httpmw.Config, c gorilla.Config[prefs]) *replica {
	t.Helper()
	kit := wafertest.New[prefs](t, limits)
	return &replica{kit.Manager, must(gorilla.New(kit.Manager, config(c))), kit.List, kit}
}

// several are replicas over one store.
func several(t testing.TB, n int, c gorilla.Config[prefs]) (all []*replica) {
	t.Helper()
	ring, store := keys.Generate(0), revlog.NewMemory()
	for range n {
		list := must(revocation.Open(t.Context(), store, ring, revocation.Config{MaxIdle: 15 * 24 * time.Hour, Logger: quiet()}))
		t.Cleanup(func() { list.Close() })
		m := must(httpmw.New[prefs](keys.Static(ring), list, httpmw.Config{Logger: quiet()}))
		all = append(all, &replica{m, nil, list, nil})
	}
	c = config(c) // the list has begun
	for _, r := range all {
		r.Mover = must(gorilla.New(r.Manager, c))
	}
	return all
}

// browser keeps cookies by name.
type browser map[string]string

func (b browser) copy() browser {
	c := browser{}
	for name, value := range b {
		c[name] = value
	}
	return c
}

// signedOut reports whether a browser holds nothing any more but the marker of a logout.
func (b browser) signedOut() bool {
	return len(b) == 1 && strings.HasPrefix(b[newName], "out.")
}

// visit sends a request through the Mover, and returns who it was and the answer.
func (r *replica) visit(b browser, do func(w http.ResponseWriter, req *http.Request, s *httpmw.Session[prefs])) *http.Response {
	req := httptest.NewRequest("GET", "https://app.test/", nil)
	for name, value := range b {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	r.Mover.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if do != nil {
			do(w, req, r.From(req.Context()))
		}
	})).ServeHTTP(rec, req)
	res := rec.Result()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(b, c.Name)
		} else {
			b[c.Name] = c.Value
		}
	}
	return res
}

// seen is what a request shows of a session.
type seen struct {
	ID, Subject, Theme string
	Login              time.Time
	Err                error
}

func (r *replica) look(b browser) (found seen) {
	r.visit(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[prefs]) {
		found = seen{s.ID(), s.Subject(), s.Value().Theme, s.LoginTime(), s.Err()}
	})
	return found
}
