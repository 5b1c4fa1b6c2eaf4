package gorilla_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/securecookie"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/httpmw/gorilla"
	"github.com/wafer-sessions/wafer/httpmw/wafertest"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
)

var adas = map[any]any{"user": "ada", "theme": "dark"}

// Whatever the old application was set to, its cookies open.
func TestEveryKindOfCookieIsMoved(t *testing.T) {
	json := func(hash, block []byte) securecookie.Codec {
		return securecookie.New(hash, block).SetSerializer(securecookie.JSONEncoder{})
	}
	named := map[string]any{"user": "ada", "theme": "dark"}
	rows := []struct {
		name   string
		writes securecookie.Codec
		reads  []securecookie.Codec
		values any
	}{
		{"encrypted", codecs()[0], codecs(), adas},
		{"signed only, an older key pair", codecs()[1], codecs(), adas},
		{"JSON, signed", json(secret(9, 32), nil), []securecookie.Codec{codecs()[0], json(secret(9, 32), nil)}, named},
		{"JSON, encrypted", json(secret(9, 32), secret(7, 16)), []securecookie.Codec{json(secret(9, 32), secret(7, 16))}, named},
		{"gob of named values", codecs()[0], codecs(), named},
		{"JSON, then gob, under one hash key", codecs()[0], []securecookie.Codec{json(secret(1, 32), secret(2, 32)), codecs()[0]}, adas},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				r := alone(t, gorilla.Config[prefs]{Codecs: row.reads})
				saved := time.Now()
				b := browser{oldName: encode(t, row.writes, row.values)}
				time.Sleep(time.Minute)
				first := r.look(b)
				if d := cmp.Diff(seen{first.ID, "ada", "dark", saved, nil}, first); d != "" || len(first.ID) != 22 {
					t.Errorf("moved: id %q, %s", first.ID, d)
				}
				if _, still := b[oldName]; still || len(b) != 1 {
					t.Errorf("the browser has %v", b)
				}
				if d := cmp.Diff(first, r.look(b)); d != "" {
					t.Errorf("next request: %s", d)
				}
				if d := cmp.Diff(adopt.Stats{Moved: 1}, r.Mover.Stats()); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

func TestTheSameCookieGivesTheSameSession(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		both := several(t, 2, gorilla.Config[prefs]{})
		cookie := encode(t, codecs()[1], adas)
		first := both[0].look(browser{oldName: cookie})
		time.Sleep(time.Minute)
		if again := both[1].look(browser{oldName: cookie}); again != first || first.ID == "" {
			t.Errorf("%+v, then %+v", first, again)
		}
		if other := both[0].look(browser{oldName: encode(t, codecs()[1], adas)}); other.ID == first.ID {
			t.Error("a cookie of another time has the same id")
		}
		// Base64 has several spellings of one text: a replay in another one is still a replay.
		for _, respelled := range spellings(t, cookie) {
			if again := both[0].look(browser{oldName: respelled}); again.ID != first.ID {
				t.Errorf("another spelling of the cookie has another id: %+v", again)
			}
		}
	})
}

// spellings returns other texts that securecookie takes for the same.
func spellings(t *testing.T, cookie string) (others []string) {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	want := must(base64.URLEncoding.DecodeString(cookie))
	end := len(strings.TrimRight(cookie, "="))
	for _, c := range alphabet {
		s := cookie[:end-1] + string(c) + cookie[end:]
		if b, err := base64.URLEncoding.DecodeString(s); err == nil && s != cookie && string(b) == string(want) {
			others = append(others, s)
		}
	}
	if len(others) == 0 {
		t.Fatal("this cookie has one spelling only: it tests nothing")
	}
	return others
}

func TestALogoutCannotBeUndone(t *testing.T) {
	ends := map[string]func(req *http.Request, s *httpmw.Session[prefs], l *revocation.List) error{
		"logout": func(req *http.Request, s *httpmw.Session[prefs], _ *revocation.List) error {
			return s.Logout(req.Context())
		},
		"logout everywhere": func(req *http.Request, s *httpmw.Session[prefs], _ *revocation.List) error {
			return s.LogoutEverywhere(req.Context())
		},
		"the subject": func(req *http.Request, _ *httpmw.Session[prefs], l *revocation.List) error {
			_, err := l.Revoke(req.Context(), revocation.Subject("ada"), revocation.Options{})
			return err
		},
		"all that were moved": func(req *http.Request, _ *httpmw.Session[prefs], l *revocation.List) error {
			_, err := l.Revoke(req.Context(), revocation.Group(gorilla.Group(oldName)), revocation.Options{})
			return err
		},
	}
	for name, end := range ends {
		for _, keep := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					both := several(t, 2, gorilla.Config[prefs]{OldUntil: oldUntil(keep)})
					b := browser{oldName: encode(t, codecs()[0], adas)}
					stolen := b.copy()
					time.Sleep(time.Second)
					if s := both[0].look(b); s.Subject != "ada" {
						t.Fatalf("not moved: %+v", s)
					}
					time.Sleep(time.Second)
					both[0].visit(b, func(_ http.ResponseWriter, req *http.Request, s *httpmw.Session[prefs]) {
						if err := end(req, s, both[0].list); err != nil {
							t.Error(err)
						}
					})
					if logout := strings.HasPrefix(name, "logout"); logout && !b.signedOut() {
						t.Errorf("after the logout the browser has %v", b)
					}
					time.Sleep(2 * time.Second)
					for i, r := range both {
						if s := r.look(stolen.copy()); s.Subject != "" || !errors.Is(s.Err, httpmw.ErrRevoked) {
							t.Errorf("replica %d: a replay of the old cookie gives %+v", i, s)
						}
						if n := r.Mover.Stats().Refused; n != 1 {
							t.Errorf("replica %d counted %d refused", i, n)
						}
					}
				})
			})
		}
	}
}

func TestNobodyIsMovedWhileTheStoreIsSilent(t *testing.T) {
	for name, outage := range map[string]func(*wafertest.Kit[prefs]){
		"stale": (*wafertest.Kit[prefs]).Stale, "silent": (*wafertest.Kit[prefs]).Silent,
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				r := alone(t, gorilla.Config[prefs]{})
				b := browser{oldName: encode(t, codecs()[0], adas)}
				outage(r.kit)
				res := r.visit(b, func(w http.ResponseWriter, req *http.Request, s *httpmw.Session[prefs]) {
					if s.LoggedIn() || s.Err() != httpmw.ErrUndecided {
						t.Errorf("logged in: %v, %v", s.LoggedIn(), s.Err())
					}
					r.Require(http.NotFoundHandler()).ServeHTTP(w, req)
				})
				if res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) != 0 {
					t.Errorf("status %d, cookies %v", res.StatusCode, res.Cookies())
				}
				if d := cmp.Diff(adopt.Stats{Undecided: 1}, r.Mover.Stats()); d != "" {
					t.Error(d)
				}
				r.kit.Recover()
				if s := r.look(b); s.Subject != "ada" {
					t.Errorf("afterwards: %+v", s)
				}
			})
		})
	}
}

func TestBadOldCookiesAreNoSession(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		good := encode(t, codecs()[0], adas)
		short := securecookie.New(secret(1, 32), secret(2, 32)).MaxAge(60)
		raw := securecookie.New(secret(3, 64), nil).SetSerializer(securecookie.NopEncoder{})
		rows := []struct {
			name, value string
			codecs      []securecookie.Codec
			wait        time.Duration
		}{
			{"empty", "", nil, 0},
			{"no base64", "%%%", nil, 0},
			{"no parts", base64.URLEncoding.EncodeToString([]byte("abc")), nil, 0},
			{"another key", encode(t, securecookie.New(secret(8, 32), nil), adas), nil, 0},
			{"cut", good[:len(good)-8], nil, 0},
			{"another name", must(codecs()[0].Encode("other", adas)), nil, 0},
			{"not a map", encode(t, codecs()[0], "ada"), nil, 0},
			{"not even gob", encode(t, raw, []byte{0xff, 1, 2, 3}), nil, 0},
			{"too long", strings.Repeat("A", 5000), nil, 0},
			{"older than MaxAge", good, []securecookie.Codec{short}, 61 * time.Second},
			{"Read says no", encode(t, codecs()[0], map[any]any{"user": "ada", "out": true}), nil, 0},
		}
		for _, row := range rows {
			r := alone(t, gorilla.Config[prefs]{Codecs: row.codecs})
			time.Sleep(row.wait)
			b := browser{oldName: row.value}
			res := r.visit(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[prefs]) {
				if s.ID() != "" || s.Err() != nil {
					t.Errorf("%s: session %q, %v", row.name, s.ID(), s.Err())
				}
			})
			if len(res.Cookies()) != 0 {
				t.Errorf("%s: cookies were set: %v", row.name, res.Cookies())
			}
			want := adopt.Stats{Invalid: 1}
			switch row.name {
			case "too long":
				want = adopt.Stats{} // not even looked at
			case "Read says no":
				want = adopt.Stats{Declined: 1}
			}
			if d := cmp.Diff(want, r.Mover.Stats()); d != "" {
				t.Errorf("%s: %s", row.name, d)
			}
		}
	})
}

func TestTheWindow(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		kit := wafertest.New[prefs](t, httpmw.Config{})
		from := time.Now().Add(time.Minute)
		during := config(gorilla.Config[prefs]{From: from, Until: from.Add(time.Minute)})
		mover := must(gorilla.New(kit.Manager, during))
		r := &replica{kit.Manager, mover, kit.List, kit}
		b := browser{oldName: encode(t, codecs()[0], adas)}
		for _, row := range []struct {
			wait time.Duration
			want string
		}{{time.Minute - time.Second, ""}, {time.Second, "ada"}, {time.Minute - time.Second, "ada"}, {time.Second, ""}} {
			time.Sleep(row.wait)
			if s := r.look(b.copy()); s.Subject != row.want {
				t.Errorf("%v after From: %q, want %q", time.Since(from), s.Subject, row.want)
			}
		}
		// A restart after the window is no error.
		must(gorilla.New(kit.Manager, during))
	})
}

func TestTheAbsoluteLimitCountsFromTheOldCookie(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := within(t, httpmw.Config{Idle: time.Minute, Absolute: 5 * time.Minute}, gorilla.Config[prefs]{})
		b := browser{oldName: encode(t, codecs()[0], adas)}
		time.Sleep(5 * time.Minute)
		if s := r.look(b); s.Subject != "" || !errors.Is(s.Err, httpmw.ErrExpiredAbsolute) {
			t.Errorf("5 min later: %+v", s)
		}
		if _, still := b[oldName]; !still {
			t.Error("the old cookie was cleared")
		}
	})
}

func TestWhichSessionCounts(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := within(t, httpmw.Config{Idle: time.Minute}, gorilla.Config[prefs]{})
		old := encode(t, codecs()[0], adas)

		t.Log("a login on a new replica stays, and the old cookie goes")
		b := browser{oldName: old}
		r.visit(browser{}, nil)
		login := browser{}
		r.visit(login, func(_ http.ResponseWriter, req *http.Request, s *httpmw.Session[prefs]) {
			if err := s.Login(req.Context(), httpmw.Identity{Subject: "bob"}); err != nil {
				t.Error(err)
			}
		})
		b[newName] = login[newName]
		if s := r.look(b); s.Subject != "bob" || b[oldName] != "" {
			t.Errorf("%+v, cookies %v", s, b)
		}

		t.Log("a session that expired was moved, or begun, long ago: the old cookie does not renew it")
		b = browser{oldName: old, newName: login[newName]}
		time.Sleep(time.Minute)
		if s := r.look(b); s.Subject != "" || !errors.Is(s.Err, httpmw.ErrExpiredIdle) {
			t.Errorf("%+v", s)
		}

		t.Log("one that does not open says nothing")
		b = browser{oldName: old, newName: "damaged"}
		if s := r.look(b); s.Subject != "ada" {
			t.Errorf("%+v", s)
		}

		t.Log("the first good one of several")
		req := httptest.NewRequest("GET", "https://app.test/", nil)
		req.Header.Set("Cookie", oldName+"=bad; "+oldName+"="+old+"; "+oldName+"="+encode(t, codecs()[0], map[any]any{"user": "eve"}))
		r.Mover.Handler(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
			if s := r.From(req.Context()); s.Subject() != "ada" {
				t.Errorf("%q, %v", s.Subject(), s.Err())
			}
		})).ServeHTTP(httptest.NewRecorder(), req)
	})
}

func TestAnonymousDataIsMoved(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := alone(t, gorilla.Config[prefs]{OldUntil: oldUntil(true)})
		b := browser{oldName: encode(t, codecs()[0], map[any]any{"theme": "dark"})}
		first := r.look(b)
		if first.Subject != "" || first.Theme != "dark" || first.ID == "" {
			t.Errorf("%+v", first)
		}
		// Later changes stay, though the old cookie does, too.
		r.visit(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[prefs]) {
			if err := s.Set(prefs{Theme: "light"}); err != nil {
				t.Error(err)
			}
		})
		if s := r.look(b); s.Theme != "light" || s.ID != first.ID {
			t.Errorf("%+v", s)
		}
		// Until its user logs in on an old replica.
		b[oldName] = encode(t, codecs()[0], adas)
		if s := r.look(b); s.Subject != "ada" || s.Theme != "dark" {
			t.Errorf("%+v", s)
		}
	})
}

// A browser sends many requests at once, and within another Handler of the Manager nothing is different.
func TestRequestsAtOnceBecomeOneSession(t *testing.T) {
	both := several(t, 2, gorilla.Config[prefs]{})
	cookie := encode(t, codecs()[0], adas)
	found := make(chan seen)
	for i := range 40 {
		go func() {
			r := both[i%2]
			rec := httptest.NewRecorder()
			req := httptest.NewRequest("GET", "https://app.test/", nil)
			req.AddCookie(&http.Cookie{Name: oldName, Value: cookie})
			var got seen
			r.Manager.Handler(r.Mover.Handler(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				s := r.From(req.Context())
				got = seen{s.ID(), s.Subject(), s.Value().Theme, s.LoginTime(), s.Err()}
			}))).ServeHTTP(rec, req)
			found <- got
		}()
	}
	first := <-found
	for range 39 {
		if got := <-found; got != first || got.Subject != "ada" {
			t.Errorf("%+v and %+v", first, got)
		}
	}
}

// withFlash is a cookie of gorilla/sessions with a flash message in it, signed with secret(3, 64) in the year 2026. This test
// does not import gorilla/sessions, nor does an application that has moved.
const withFlash = "MTc5NTgzNTU3M3xEWDhFQVFMX2dBQUJFQUVRQUFCc180QUFBd1p6ZEhKcGJtY01CZ0FFZFhObGNnWnpkSEpwYm1jTUJRQURZV1JoQm5OMGNtbHVad3dIQUFWMGFHVnRaUVp6ZEhKcGJtY01CZ0FFWkdGeWF3WnpkSEpwYm1jTUNBQUdYMlpzWVhOb0RsdGRhVzUwWlhKbVlXTmxJSHQ5XzRFQ0FRTF9nZ0FCRUFBQUZfLUNGQUFCQm5OMGNtbHVad3dKQUFkM1pXeGpiMjFsfBw_Z7Mfg3y5Wlqm12vtws-sxxUXhILPPyjKtXLrFClv"

func TestFlashMessagesAreRead(t *testing.T) {
	var got map[any]any
	r := alone(t, gorilla.Config[prefs]{Codecs: []securecookie.Codec{securecookie.New(secret(3, 64), nil).MaxAge(0)}})
	c := config(gorilla.Config[prefs]{Codecs: []securecookie.Codec{securecookie.New(secret(3, 64), nil).MaxAge(0)}})
	c.Read = func(values map[any]any) (id httpmw.Identity, data prefs, ok bool) {
		got = values
		return id, data, false
	}
	r.Mover = must(gorilla.New(r.Manager, c))
	r.look(browser{oldName: withFlash})
	if d := cmp.Diff(map[any]any{"user": "ada", "theme": "dark", "_flash": []any{"welcome"}}, got); d != "" {
		t.Error(d)
	}
}

// Cookies that do not open are told of, each reason once a minute, and without what is in them.
func TestCookiesThatDoNotOpenAreToldOf(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		short := securecookie.New(secret(3, 64), nil).MaxAge(60)
		r := alone(t, gorilla.Config[prefs]{Codecs: []securecookie.Codec{short}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		expired := encode(t, short, adas)
		time.Sleep(61 * time.Second)
		raw := securecookie.New(secret(3, 64), nil).SetSerializer(securecookie.NopEncoder{})
		bad := map[string]string{
			"malformed": "AAAA",
			"limits":    expired,
			"keys":      encode(t, securecookie.New(secret(8, 32), nil), adas),
			"encoding":  encode(t, raw, []byte("\x03\xff\x00secret")),
		}
		for range 3 {
			for _, value := range bad {
				r.look(browser{oldName: value})
			}
		}
		for reason, value := range bad {
			if n := strings.Count(log.String(), "level=WARN msg=\"gorilla: old cookies do not open, so their users are not moved\" cookie=legacy reason="+reason+" so_far=1\n"); n != 1 {
				t.Errorf("%s is told of %d times: %s", reason, n, log.String())
			}
			if strings.Contains(log.String(), value) {
				t.Errorf("a cookie is in the log: %s", log.String())
			}
		}
		if strings.Contains(log.String(), "secret") || strings.Contains(log.String(), "ada") || strings.Count(log.String(), "\n") != len(bad) {
			t.Errorf("the log says %s", log.String())
		}
		time.Sleep(time.Minute)
		r.look(browser{oldName: bad["keys"]})
		if !strings.Contains(log.String(), "reason=keys so_far=4\n") {
			t.Errorf("a minute later: %s", log.String())
		}
		if n := r.Mover.Stats().Invalid; n != 13 {
			t.Errorf("counted %d", n)
		}
	})
}

// While old replicas run they write the old cookie anew, and each is another credential. A logout ends also the one that came
// with it, whatever became of the session; a copy of it is no session afterwards.
func TestALogoutEndsTheOldCookieBeside(t *testing.T) {
	rows := []struct {
		name   string
		keep   bool
		before func(t *testing.T, r *replica, b browser)
	}{
		{"of a moved session", true, func(*testing.T, *replica, browser) {}},
		{"and no old replicas", false, func(*testing.T, *replica, browser) {}},
		{"of a login here", true, func(t *testing.T, r *replica, b browser) {
			r.visit(b, func(_ http.ResponseWriter, req *http.Request, s *httpmw.Session[prefs]) {
				if err := s.Login(req.Context(), httpmw.Identity{Subject: "ada"}); err != nil {
					t.Error(err)
				}
			})
		}},
		{"of an idle session", true, func(_ *testing.T, _ *replica, _ browser) { time.Sleep(3 * time.Hour) }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				all := several(t, 2, gorilla.Config[prefs]{OldUntil: oldUntil(row.keep)})
				b := browser{oldName: encode(t, codecs()[0], adas)}
				if s := all[0].look(b); s.Subject != "ada" {
					t.Fatalf("not moved: %+v", s)
				}
				time.Sleep(10 * time.Second)
				b[oldName] = encode(t, codecs()[0], adas) // as an old replica does that saves at each request
				row.before(t, all[0], b)
				b[oldName] = encode(t, codecs()[0], adas)
				stolen := browser{oldName: b[oldName]}
				all[0].visit(b, func(_ http.ResponseWriter, req *http.Request, s *httpmw.Session[prefs]) {
					if err := s.Logout(req.Context()); err != nil {
						t.Error(err)
					}
				})
				if !b.signedOut() {
					t.Errorf("cookies after the logout: %v", b)
				}
				time.Sleep(2 * time.Second)
				for i, r := range all {
					if s := r.look(stolen.copy()); s.Subject != "" || !errors.Is(s.Err, httpmw.ErrRevoked) {
						t.Errorf("replica %d takes a copy of the old cookie: %+v", i, s)
					}
				}
			})
		})
	}
}

// However many come, four are looked at.
func TestTheWorkIsBounded(t *testing.T) {
	r := alone(t, gorilla.Config[prefs]{})
	req := httptest.NewRequest("GET", "https://app.test/", nil)
	bad := encode(t, securecookie.New(secret(8, 32), nil), adas)
	req.Header.Set("Cookie", strings.Repeat(oldName+"="+bad+"; ", 500)+oldName+"="+encode(t, codecs()[0], adas))
	r.Mover.Handler(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		if s := r.From(req.Context()); s.LoggedIn() {
			t.Error("the 501st was looked at")
		}
	})).ServeHTTP(httptest.NewRecorder(), req)
	if d := cmp.Diff(adopt.Stats{Invalid: 4}, r.Mover.Stats()); d != "" {
		t.Error(d)
	}
}

// Who has no old cookie does not notice the Mover.
func TestOthersPayNothing(t *testing.T) {
	r := alone(t, gorilla.Config[prefs]{OldUntil: oldUntil(true)})
	res := r.visit(browser{}, nil)
	if len(res.Header) != 0 {
		t.Errorf("headers %v", res.Header)
	}
	after := alone(t, gorilla.Config[prefs]{})
	if res := after.visit(browser{"lang": "en"}, nil); len(res.Header) != 0 {
		t.Errorf("headers %v", res.Header)
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	kit := wafertest.New[prefs](t, httpmw.Config{})
	good := config(gorilla.Config[prefs]{})
	type C = gorilla.Config[prefs]
	rows := []struct {
		name, want string // "": good
		change     func(*C)
	}{
		{"good", "", func(*C) {}},
		{"no cookie", "Cookie", func(c *C) { c.Cookie = "" }},
		{"no cookie's name", "Cookie", func(c *C) { c.Cookie = "a b" }},
		{"bad path", "Path", func(c *C) { c.Path = "/;" }},
		{"no codecs", "Codecs", func(c *C) { c.Codecs = nil }},
		{"too many codecs", "Codecs", func(c *C) { c.Codecs = make([]securecookie.Codec, 9) }},
		{"a codec of another kind", "timestamp", func(c *C) { c.Codecs = []securecookie.Codec{foreign{}} }},
		{"no Read", "Read", func(c *C) { c.Read = nil }},
		{"old replicas longer than moving", "OldUntil", func(c *C) { c.OldUntil = c.Until.Add(1) }},
		{"from when the list began", "", func(c *C) { c.From = time.Time{} }},
		{"from before the list began", "leave From zero", func(c *C) { c.From = c.From.Add(-time.Minute) }},
		{"no Until", "Until", func(c *C) { c.Until = time.Time{} }},
		{"longer than the list remembers", "MaxIdle", func(c *C) { c.Until = c.From.AddDate(100, 0, 0) }},
	}
	for _, row := range rows {
		c := good
		row.change(&c)
		m, err := gorilla.New(kit.Manager, c)
		switch {
		case row.want == "" && (err != nil || m == nil):
			t.Errorf("%s: %v", row.name, err)
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: %v, want one that names %s", row.name, err, row.want)
		}
	}
	if _, err := gorilla.New[prefs](nil, good); err == nil {
		t.Error("no Manager is no error")
	}
}

type foreign struct{ securecookie.Codec }
