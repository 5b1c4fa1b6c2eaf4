package httpmw_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
)

// methodsOf returns the methods of a browser's session.
func (f *fixture) methodsOf(b *browser) (methods []string) {
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) { methods = s.Methods() })
	return methods
}

// Methods stay with the session through everything but a login, which says them anew.
func TestMethodsStay(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{MaxCookies: 3})
		b := newBrowser()
		want := []string{"pwd", "otp", "mfa"}
		f.login(t, b, httpmw.Identity{Subject: "ann", Methods: append(want, "otp")})
		for _, step := range []struct {
			name string
			do   act
		}{
			{"the login", func(*httpmw.Session[cart], *http.Request) error { return nil }},
			{"a write", func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: "x"}) }},
			{"a renewal", func(*httpmw.Session[cart], *http.Request) error { time.Sleep(10 * time.Minute); return nil }},
			{"a write after a renewal", func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: "y"}) }},
			{"several cookies", func(s *httpmw.Session[cart], _ *http.Request) error { return s.Set(cart{Note: text(3000)}) }},
			{"other groups", func(s *httpmw.Session[cart], r *http.Request) error { return s.SetGroups(r.Context(), []string{"g"}) }},
			{"a logout of others", func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutOthers(r.Context()) }},
		} {
			if err := f.does(b, step.do); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			if diff := cmp.Diff(want, f.methodsOf(b)); diff != "" {
				t.Fatalf("after %s:\n%s", step.name, diff)
			}
		}
		f.login(t, b, httpmw.Identity{Subject: "ann", Methods: []string{"hwk"}})
		if diff := cmp.Diff([]string{"hwk"}, f.methodsOf(b)); diff != "" {
			t.Errorf("another login:\n%s", diff)
		}
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		if got := f.methodsOf(b); got != nil {
			t.Errorf("a login without methods has %q", got)
		}
		if got := f.methodsOf(newBrowser()); got != nil {
			t.Errorf("no session has %q", got)
		}
	})
}

func TestMethodsOfABearerToken(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "ann", Methods: []string{"pop", "swk"}}, cart{}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Check(t.Context(), bearer)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"pop", "swk"}, s.Methods()); diff != "" {
		t.Error(diff)
	}
}

func TestMethodsThatDoNotFit(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	for name, methods := range map[string][]string{
		"empty":             {""},
		"too long":          {"pwd", strings.Repeat("a", 17)},
		"a space":           {"one time"},
		"a quotation mark":  {`a"b`},
		"a backslash":       {`a\b`},
		"a control":         {"a\n"},
		"beyond ASCII":      {"zoë"},
		"nine":              strings.Split("123456789", ""),
		"nine, some common": strings.Split("1122334455667788999", ""),
	} {
		err := f.does(b, func(s *httpmw.Session[cart], r *http.Request) error {
			return s.Login(r.Context(), httpmw.Identity{Subject: "ann", Methods: methods})
		})
		if !errors.Is(err, httpmw.ErrIdentity) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.login(t, b, httpmw.Identity{Subject: "ann", Methods: strings.Split("112233445566778", "")})
	if diff := cmp.Diff(strings.Split("12345678", ""), f.methodsOf(b)); diff != "" {
		t.Error(diff)
	}
}

// A route that needs methods refuses a session that lacks one of them, and says which.
func TestRequireMethods(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var got error
		var out logs
		f := newFixture(t, httpmw.Config{
			Logger: out.logger(slog.LevelDebug),
			Refuse: func(w http.ResponseWriter, _ *http.Request, status int, err error) {
				got = err
				w.WriteHeader(status)
			},
		})
		b := newBrowser()
		refused := 0
		for _, row := range []struct {
			has, need, missing string
		}{
			{"pwd", "", ""},
			{"pwd", "pwd", ""},
			{"pwd", "mfa", "mfa"},
			{"pwd", "mfa hwk", "mfa hwk"},
			{"pwd mfa", "mfa", ""},
			{"pwd hwk", "mfa hwk", "mfa"},
			{"hwk mfa", "mfa hwk", ""},
			{"", "pwd", "pwd"},
			{"pwd otp", "mfa", "mfa"}, // nothing is concluded from others
			{"PWD", "pwd", "pwd"},
			{"mf", "mfa", "mfa"},
		} {
			f.login(t, b, httpmw.Identity{Subject: "ann", Methods: strings.Fields(row.has)})
			got = nil
			res := b.get(f.RequireThat(httpmw.Requirements{Methods: strings.Fields(row.need)})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			if row.missing == "" {
				if res.StatusCode != http.StatusOK || got != nil {
					t.Errorf("%q where %q is needed: %d, %v", row.has, row.need, res.StatusCode, got)
				}
				continue
			}
			refused++
			var lacks *httpmw.MethodsError
			if res.StatusCode != http.StatusUnauthorized || !errors.Is(got, httpmw.ErrMethods) || !errors.Is(got, httpmw.ErrNoLogin) ||
				!errors.As(got, &lacks) || strings.Join(lacks.Missing, " ") != row.missing {
				t.Errorf("%q where %q is needed: %d, %v", row.has, row.need, res.StatusCode, got)
			}
			if subject, err := f.look(b); subject != "ann" || err != nil {
				t.Errorf("the session is %q, %v", subject, err)
			}
		}
		if n := f.Stats().Refused["methods"]; n != uint64(refused) || httpmw.Reason(got) != "methods" || fmt.Sprint(got) == "" {
			t.Errorf("counted %d of %d, reason %q of %v", n, refused, httpmw.Reason(got), got)
		}
		if n := out.Count("session refused", "reason=methods"); n != refused {
			t.Errorf("%d lines of log", n)
		}
		if res := newBrowser().get(f.RequireThat(httpmw.Requirements{Methods: []string{"mfa"}})(http.NotFoundHandler())); res.StatusCode != 401 || got != httpmw.ErrNoLogin {
			t.Errorf("nobody: %d, %v", res.StatusCode, got)
		}
		time.Sleep(time.Minute)
		b.get(f.RequireThat(httpmw.Requirements{LoginWithin: time.Second})(http.NotFoundHandler()))
		if n := f.Stats().Refused["login_too_old"]; n != 1 || got != httpmw.ErrLoginTooOld {
			t.Errorf("counted %d, %v", n, got)
		}
	})
}
