package httpmw_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

func TestNoCookieMeansNoSession(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	before := f.store.Confirms() + len(f.store.Writes())
	res := f.in(newBrowser(), func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if s.LoggedIn() || s.ID() != "" || s.Subject() != "" || s.InGroup("g") || !s.LoginTime().IsZero() || s.Err() != nil {
			t.Error("there is a session")
		}
		if idle, absolute := s.Deadlines(); !idle.IsZero() || !absolute.IsZero() {
			t.Error("there are limits")
		}
		if diff := cmp.Diff(cart{}, s.Value()); diff != "" {
			t.Error(diff)
		}
	})
	if len(res.Header["Set-Cookie"]) != 0 || res.Header.Get("Vary") != "Cookie" || res.Header.Get("Cache-Control") != "" {
		t.Errorf("headers %v", res.Header)
	}
	if n := f.store.Confirms() + len(f.store.Writes()) - before; f.Stats().Anonymous != 1 || n != 0 {
		t.Errorf("%d calls to the store", n)
	}
}

// A handler that does not look at the session leaves no trace in the answer.
func TestUntouchedSessionLeavesNoTrace(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	res := f.in(b, func(w http.ResponseWriter, _ *http.Request, _ *httpmw.Session[cart]) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		fmt.Fprint(w, "static")
	})
	if len(res.Header["Set-Cookie"]) != 0 || res.Header.Get("Vary") != "" || res.Header.Get("Cache-Control") != "public, max-age=60" {
		t.Errorf("headers %v", res.Header)
	}
}

func TestDataGoesRound(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	sid := f.login(t, b, httpmw.Identity{Subject: "ann", Groups: []string{"tenant:7", "tenant:7", "beta"}})
	want := cart{Items: []string{"tea & <milk>", "Gebäck"}, Note: "}\""}
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, s.Value()); diff != "" {
			t.Error(diff)
		}
	})
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		own := s.Value()
		if diff := cmp.Diff(want, own); diff != "" {
			t.Error(diff)
		}
		own.Items[0] = "coffee"
		if diff := cmp.Diff(want, s.Value()); diff != "" {
			t.Errorf("a value is shared: %s", diff)
		}
		if s.ID() != sid || s.Subject() != "ann" || !s.LoggedIn() {
			t.Error("a write changed the session itself")
		}
		if !s.InGroup("tenant:7") || !s.InGroup("beta") || s.InGroup("tenant:8") || s.InGroup("") {
			t.Error("groups")
		}
		if d := time.Since(s.LoginTime()); d < 0 || d > time.Minute {
			t.Errorf("logged in %v ago", d)
		}
	})
}

func TestAnonymousSessionCarriesData(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	writes := len(f.store.Writes())
	res := f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{Note: "tea"}); err != nil {
			t.Fatal(err)
		}
	})
	if diff := cmp.Diff([]string{anonName}, setNames(res)); diff != "" {
		t.Fatal(diff)
	}
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if s.LoggedIn() || s.ID() == "" || s.Subject() != "" || !s.LoginTime().IsZero() || s.Value().Note != "tea" {
			t.Error("not an anonymous session with its data")
		}
		if err := s.LogoutOthers(r.Context()); err != httpmw.ErrNoLogin {
			t.Errorf("LogoutOthers: %v", err)
		}
		if err := s.SetGroups(r.Context(), nil); err != httpmw.ErrNoLogin {
			t.Errorf("SetGroups: %v", err)
		}
	})
	// Visitors without an account never reach the store, whatever they do.
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Logout(r.Context()); err != nil {
			t.Error(err)
		}
	})
	if !b.signedOut() || len(f.store.Writes()) != writes || f.store.Confirms() != 0 {
		t.Errorf("jar %v, %d writes, %d confirms", b.jar, len(f.store.Writes())-writes, f.store.Confirms())
	}
}

func TestUpdate(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	no := errors.New("no")
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		add := func(item string) error {
			return s.Update(func(c *cart) error { c.Items = append(c.Items, item); return nil })
		}
		if err := errors.Join(add("tea"), add("milk")); err != nil {
			t.Fatal(err)
		}
		if err := s.Update(func(c *cart) error { c.Items = nil; return no }); err != no {
			t.Errorf("got %v, want the function's own error", err)
		}
		if diff := cmp.Diff([]string{"tea", "milk"}, s.Value().Items); diff != "" {
			t.Error(diff)
		}
		// Whatever becomes of the session while the function runs, nothing is lost and nobody inherits.
		calls := 0
		if err := s.Update(func(c *cart) error {
			if calls++; calls == 1 {
				if err := s.Set(cart{Note: "other"}); err != nil {
					t.Error(err)
				}
			}
			c.Items = append(c.Items, "sugar")
			return nil
		}); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(cart{Items: []string{"sugar"}, Note: "other"}, s.Value()); diff != "" || calls != 2 {
			t.Errorf("%d calls, %s", calls, diff)
		}
		calls = 0
		if err := s.Update(func(c *cart) error {
			if calls++; calls == 1 {
				if err := s.Login(r.Context(), httpmw.Identity{Subject: "bob"}); err != nil {
					t.Error(err)
				}
			}
			c.Items = append(c.Items, "for bob")
			return nil
		}); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(cart{Items: []string{"for bob"}}, s.Value()); diff != "" {
			t.Errorf("bob inherited: %s", diff)
		}
	})
}

func TestOneSessionInManyGoroutines(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann", Groups: []string{"g"}})
	const goroutines, rounds = 8, 5
	f.in(b, func(w http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Go(func() {
				for j := range rounds {
					if err := s.Update(func(c *cart) error { c.Items = append(c.Items, fmt.Sprint(i, j)); return nil }); err != nil {
						t.Error(err)
					}
					s.Value()
					s.Deadlines()
					if !s.LoggedIn() || s.Subject() != "ann" || !s.InGroup("g") || s.Err() != nil || s.ID() == "" || s.LoginTime().IsZero() {
						t.Error("the session is gone")
					}
				}
			})
		}
		wg.Wait()
	})
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		items := s.Value().Items
		slices.Sort(items)
		if n := len(slices.Compact(items)); n != goroutines*rounds {
			t.Errorf("%d of %d updates are there", n, goroutines*rounds)
		}
	})
}

// Data that is not of the application's type is ErrData, and no reason to log anybody out.
func TestUndecodableData(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	type other struct {
		Note int `json:"note"`
	}
	wrong, err := httpmw.New[other](keys.Static(f.ring), f.list, httpmw.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser()
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := errors.Join(s.Login(r.Context(), httpmw.Identity{Subject: "ann"}), s.Set(cart{Note: "text"})); err != nil {
			t.Fatal(err)
		}
	})
	b.get(wrong.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := wrong.From(r.Context())
		if s.Err() != nil {
			t.Errorf("before anybody asked for the data: %v", s.Err())
		}
		if v := s.Value(); v != (other{}) {
			t.Errorf("got %v", v)
		}
		if !errors.Is(s.Err(), httpmw.ErrData) || !s.LoggedIn() || s.Subject() != "ann" {
			t.Errorf("got %v, logged in %v", s.Err(), s.LoggedIn())
		}
		var syntax *json.UnmarshalTypeError
		if err := s.Update(func(*other) error { t.Error("called"); return nil }); !errors.Is(err, httpmw.ErrData) || !errors.As(err, &syntax) {
			t.Errorf("Update: %v", err)
		}
		if err := s.Set(other{7}); err != nil || s.Err() != nil || s.Value().Note != 7 {
			t.Errorf("Set over it: %v, then %v", err, s.Err())
		}
	})))
	if n := wrong.Stats().Refused["data"]; n != 1 {
		t.Errorf("counted %d times", n)
	}
}

// upside is a codec that is not encoding/json but yields JSON.
type upside struct{ broken bool }

func (u upside) Marshal(v any) ([]byte, error) {
	if u.broken {
		return []byte(`"a","sub":"root"`), nil
	}
	b, err := json.Marshal(v)
	return []byte(`"` + base64.RawURLEncoding.EncodeToString(b) + `"`), err
}

func (upside) Unmarshal(data []byte, v any) error {
	b, err := base64.RawURLEncoding.DecodeString(strings.Trim(string(data), `"`))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func TestCodec(t *testing.T) {
	f := newFixture(t, httpmw.Config{Codec: upside{}})
	b := newBrowser()
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{Note: "tea"}); err != nil {
			t.Fatal(err)
		}
	})
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if got := s.Value().Note; got != "tea" {
			t.Errorf("got %q, %v", got, s.Err())
		}
	})
	broken := newFixture(t, httpmw.Config{Codec: upside{broken: true}})
	broken.in(newBrowser(), func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{}); err == nil || s.ID() != "" {
			t.Errorf("what is not one JSON value was sealed: %v", err)
		}
	})
}

func TestSetOfWhatCannotBeEncoded(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	m, err := httpmw.New[func()](keys.Static(f.ring), f.list, httpmw.Config{})
	if err != nil {
		t.Fatal(err)
	}
	newBrowser().get(m.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var unsupported *json.UnsupportedTypeError
		if err := m.From(r.Context()).Set(func() {}); !errors.As(err, &unsupported) {
			t.Errorf("got %v", err)
		}
	})))
}

// The size of all Set-Cookie lines is bounded, and the error says how much to cut: cutting that much is enough,
// and cutting a little less is not.
func TestTooLarge(t *testing.T) {
	for name, id := range map[string]httpmw.Identity{
		"anonymous":  {},
		"subject":    {Subject: "ann"},
		"everything": {Subject: strings.Repeat("a", 256), Groups: strings.Split("a b c d e f g h", " ")},
	} {
		for _, size := range []int{3000, 3001, 3002, 5000, 1 << 20} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				f := newFixture(t, httpmw.Config{})
				b := newBrowser()
				res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					if id.Subject != "" {
						if err := s.Login(r.Context(), id); err != nil {
							t.Fatal(err)
						}
					}
					err := s.Set(cart{Note: strings.Repeat("x", size)})
					var tooLarge *httpmw.SizeError
					if !errors.As(err, &tooLarge) || !errors.Is(err, httpmw.ErrTooLarge) {
						t.Fatalf("got %v", err)
					}
					if s.Value().Note != "" {
						t.Error("what was refused is there")
					}
					if tooLarge.Max != 3500 || tooLarge.Size <= tooLarge.Max || tooLarge.Data != size+len(`{"note":""}`) {
						t.Errorf("got %+v", tooLarge)
					}
					if err := s.Set(cart{Note: strings.Repeat("x", size-tooLarge.Cut+12)}); !errors.Is(err, httpmw.ErrTooLarge) {
						t.Errorf("cutting %d less was enough, too: %v", 12, err)
					}
					if err := s.Set(cart{Note: strings.Repeat("x", size-tooLarge.Cut)}); err != nil {
						t.Errorf("cutting as told: %v", err)
					}
				})
				if n := len(res.Header.Get("Set-Cookie")); n > 3500 || n < 3480 {
					t.Errorf("%d bytes of Set-Cookie", n)
				}
			})
		}
	}
}

// A cookie that does not open is no session, with a typed reason; it is neither an error page nor cleared.
func TestBadCookies(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	good := b.jar[sessionName]
	stranger := newFixture(t, httpmw.Config{})
	strangers := newBrowser()
	stranger.login(t, strangers, httpmw.Identity{Subject: "ann"})

	for name, row := range map[string]struct {
		cookie string
		err    error
		reason string
	}{
		"empty":       {"", httpmw.ErrMalformed, "malformed"},
		"junk":        {"junk", httpmw.ErrMalformed, "malformed"},
		"flipped":     {flip(good), httpmw.ErrTampered, "tampered"},
		"truncated":   {good[:len(good)-1], httpmw.ErrMalformed, "malformed"},
		"quoted":      {`"` + good + `"`, httpmw.ErrMalformed, "malformed"},
		"too long":    {strings.Repeat("A", 5000), httpmw.ErrTooLong, "too_long"},
		"other ring":  {strangers.jar[sessionName], httpmw.ErrUnknownKey, "unknown_key"},
		"signed only": {"eyJhbGciOiJIUzI1NiJ9.e30.c2ln", httpmw.ErrMalformed, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.Stats().Refused[row.reason]
			bad := newBrowser()
			bad.jar[sessionName] = "placeholder"
			r := bad.request()
			r.Header.Set("Cookie", sessionName+"="+row.cookie)
			res := bad.send(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := f.From(r.Context())
				if s.LoggedIn() || s.ID() != "" {
					t.Error("there is a session")
				}
				if err := s.Err(); err != row.err || !errors.Is(err, httpmw.ErrInvalid) {
					t.Errorf("got %v, want %v", err, row.err)
				}
			})), r)
			if res.StatusCode != 200 || len(res.Header["Set-Cookie"]) != 0 {
				t.Errorf("status %d, cookies %q", res.StatusCode, res.Header["Set-Cookie"])
			}
			if n := f.Stats().Refused[row.reason] - before; n != 1 {
				t.Errorf("%s counted %d times", row.reason, n)
			}
			// Over such a cookie a session can begin.
			r = bad.request()
			r.Header.Set("Cookie", sessionName+"="+row.cookie)
			bad.send(f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := f.From(r.Context())
				if err := s.Set(cart{Note: "new"}); err != nil || s.Err() != nil || s.ID() == "" {
					t.Errorf("Set: %v, then %v", err, s.Err())
				}
			})), r)
			if subject, err := f.look(bad); subject != "" || err != nil {
				t.Errorf("afterwards: %q, %v", subject, err)
			}
		})
	}
}

// flip changes one character in the middle of the ciphertext.
func flip(token string) string {
	i := len(token) - 40
	c := byte('A')
	if token[i] == c {
		c = 'B'
	}
	return token[:i] + string(c) + token[i+1:]
}

// A session of one replica is a session of all, and nested handlers share one.
func TestAnyReplica(t *testing.T) {
	a := newFixture(t, httpmw.Config{})
	c := newReplica(t, a.ring, a.store.Unwrap(), httpmw.Config{})
	b := newBrowser()
	sid := a.login(t, b, httpmw.Identity{Subject: "ann"})
	var inner string
	b.get(c.Handler(c.Handler(c.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := c.From(r.Context())
		inner = s.ID()
		if err := s.Set(cart{Note: "x"}); err != nil {
			t.Error(err)
		}
	})))))
	if inner != sid {
		t.Errorf("got %q, want %q", inner, sid)
	}
	if n := c.Stats(); n.Accepted != 1 || n.Written != 1 {
		t.Errorf("opened %d times, written %d times", n.Accepted, n.Written)
	}
}

func TestFromOutsideOfHandlerPanics(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "Handler") {
			t.Errorf("panicked with %q", got)
		}
	}()
	f.From(t.Context())
}

// Managers of one process do not see each other's sessions.
func TestTwoManagers(t *testing.T) {
	a := newFixture(t, httpmw.Config{App: "a"})
	c := newReplica(t, a.ring, a.store.Unwrap(), httpmw.Config{App: "c"})
	b := newBrowser()
	res := b.get(a.Handler(c.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := errors.Join(
			a.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: "ann"}),
			c.From(r.Context()).Login(r.Context(), httpmw.Identity{Subject: "carl"}))
		if err != nil {
			t.Error(err)
		}
		if a.From(r.Context()).Subject() != "ann" || c.From(r.Context()).Subject() != "carl" {
			t.Error("mixed up")
		}
	}))))
	names := setNames(res)
	slices.Sort(names)
	if diff := cmp.Diff([]string{"__Host-Http-a", "__Host-Http-c"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Cookie"}, res.Header["Vary"]); diff != "" {
		t.Error(diff)
	}
}

func TestRevokingAKey(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	ring, err := f.ring.Revoke(time.Now(), f.ring.Keys()[0].ID())
	if err != nil {
		t.Fatal(err)
	}
	after := newReplica(t, ring, f.store.Unwrap(), httpmw.Config{})
	if subject, err := after.look(b); subject != "" || err != httpmw.ErrRevokedKey {
		t.Errorf("got %q, %v", subject, err)
	}
	// The list announces it before the ring arrives.
	if _, err := f.list.Revoke(t.Context(), revocation.Key(f.ring.Keys()[0].ID()), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	if subject, err := f.look(b); subject != "" || err != httpmw.ErrRevokedKey {
		t.Errorf("got %q, %v", subject, err)
	}
}

// What handlers find on their copy of the request, the server and outer handlers find on theirs: a form's temporary
// files are removed, and the pattern can be counted by.
func TestRequestIsGivenBack(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	for _, panics := range []bool{false, true} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, err := form.CreateFormFile("file", "a.txt")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		form.Close()
		mux := http.NewServeMux()
		mux.HandleFunc("POST /upload/{id}", func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseMultipartForm(1); err != nil {
				t.Error(err)
			}
			if panics {
				panic("on purpose")
			}
		})
		r := httptest.NewRequest("POST", "https://app.test/upload/7", &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		catchPanics(f.Handler(mux)).ServeHTTP(httptest.NewRecorder(), r)
		if r.Pattern != "POST /upload/{id}" || r.MultipartForm == nil || len(r.MultipartForm.File["file"]) != 1 {
			t.Errorf("pattern %q, form %v", r.Pattern, r.MultipartForm)
		} else if err := r.MultipartForm.RemoveAll(); err != nil {
			t.Error(err)
		}
	}
}
