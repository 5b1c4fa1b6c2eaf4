package httpmw_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw"
)

// FuzzHandler sends whatever as a Cookie header: nothing panics, nothing is answered but what the handler answers, no
// cookie is set, and who is logged in has sent the one true token, byte for byte.
func FuzzHandler(f *testing.F) {
	x := newFixture(f, httpmw.Config{MaxCookies: 3})
	small, large, nobody := newBrowser(), newBrowser(), newBrowser()
	x.in(nobody, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{Note: "nobody"}); err != nil {
			f.Fatal(err)
		}
	})
	x.login(f, small, httpmw.Identity{Subject: "ann"})
	x.login(f, large, httpmw.Identity{Subject: "ann"})
	x.in(large, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{Note: text(2600)}); err != nil {
			f.Fatal(err)
		}
	})
	// Workers have rings of their own, so inputs name tokens instead of holding them.
	const s = sessionName
	token, head := small.jar[s], large.jar[s]
	expand := strings.NewReplacer("{token}", token, "{half}", token[:len(token)/2], "{rest}", token[len(token)/2:], "{flipped}", flip(token),
		"{anon}", nobody.jar[anonName], "{head}", head, "{one}", large.jar[s+".1"], "{two}", large.jar[s+".2"]).Replace
	for _, seed := range []string{
		"", s + "=", s + "={token}", s + "={token}; " + renewalName + "={token}", s + "={half}", s + "={half}{rest}", s + "={half} {rest}",
		s + `="{token}"`, s + "={flipped}", s + "={flipped}; " + s + "={token}", s + "={token}=", s + "={token}.", s + ".1={token}", renewalName + "={token}",
		s + "={head}; " + s + ".1={one}; " + s + ".2={two}", s + "={head}; " + s + ".2={one}; " + s + ".1={two}", s + "={head}", s + "={one}",
		s + "={token}; " + s + "={head}; " + s + ".1={one}\n" + s + ".2={two}", strings.Repeat(s+"=x;", 100), s + "=....",
		s + "=out.1700000000000", s + "=out.", s + "=out.01", s + "=out.-1; " + s + "={token}", s + "=out.999999999999999; " + s + "=out.1",
		anonName + "={token}", anonName + "={head}; " + anonName + ".1={one}; " + anonName + ".2={two}",
		s + "=out.1; " + anonName + "={anon}", s + "={anon}; " + anonName + "=out.1", s + "={half}; " + anonName + "={anon}",
	} {
		f.Add(seed)
	}
	h := x.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found := x.From(r.Context())
		if found.LoggedIn() {
			w.Header().Set("Subject", found.Subject())
			w.Header().Set("Note", found.Value().Note)
		} else if found.ID() != "" {
			w.Header().Set("Nobody", found.Value().Note)
		} else if found.Subject() != "" || found.Value().Note != "" {
			f.Error("something is told of no session")
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	for _, whole := range []*browser{small, large} {
		if res := whole.send(h, whole.request()); res.Header.Get("Subject") != "ann" {
			f.Fatal("the true tokens do not open")
		}
	}
	f.Fuzz(func(t *testing.T, input string) {
		header := expand(input)
		r := newBrowser().request()
		r.Header["Cookie"] = strings.Split(header, "\n")
		res := newBrowser().send(h, r)
		if res.StatusCode != http.StatusTeapot || len(res.Header["Set-Cookie"]) != 0 {
			t.Errorf("status %d, cookies %q", res.StatusCode, res.Header["Set-Cookie"])
		}
		if note := res.Header.Get("Nobody"); note != "" && (note != "nobody" || !strings.Contains(header, anonName+"="+nobody.jar[anonName])) {
			t.Error("another anonymous token than the true one opened")
		}
		if res.Header.Get("Subject") == "" {
			return
		}
		switch note := res.Header.Get("Note"); {
		case note == "" && !strings.Contains(header, sessionName+"="+token):
			t.Error("another token than the true one opened")
		case note != "" && (note != text(2600) || !strings.Contains(header, sessionName+"="+head)):
			t.Error("other chunks than the true ones opened")
		}
	})
}
