package httpmw_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// with sends cookies in the order given, as a browser does that holds several of one name.
func (f *fixture) with(pairs ...string) (subject string, err error) {
	r := newBrowser().request()
	r.Header["Cookie"] = []string{strings.Join(pairs, "; ")}
	newBrowser().send(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := f.From(r.Context())
		subject, err = s.Subject(), s.Err()
	})), r)
	return subject, err
}

func TestDuplicateCookies(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		cookie := func(value string) string { return sessionName + "=" + value }
		renewal := func(value string) string { return renewalName + "=" + value }
		session := func(subject string) string {
			b := newBrowser()
			f.login(t, b, httpmw.Identity{Subject: subject})
			return b.jar[sessionName]
		}
		expired := session("old")
		time.Sleep(2 * time.Hour)
		early := session("early")
		time.Sleep(time.Second)
		late := newBrowser()
		sid := f.login(t, late, httpmw.Identity{Subject: "late"})
		lateFirst := late.jar[sessionName]
		time.Sleep(40 * time.Minute)
		f.in(late, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{Note: "newest"}); err != nil {
				t.Error(err)
			}
		})
		lateWritten := late.jar[sessionName]
		renewed := newBrowser()
		renewed.jar[sessionName] = early
		f.look(renewed)
		earlyRenewal := renewed.jar[renewalName]

		for name, row := range map[string]struct {
			pairs   []string
			subject string
			err     error
		}{
			"junk first":                   {[]string{cookie("junk"), cookie(early)}, "early", nil},
			"junk last":                    {[]string{cookie(early), cookie("junk")}, "early", nil},
			"expired first":                {[]string{cookie(expired), cookie(early)}, "early", nil},
			"expired last":                 {[]string{cookie(early), cookie(expired)}, "early", nil},
			"begun last wins, first":       {[]string{cookie(lateFirst), cookie(early)}, "late", nil},
			"begun last wins, last":        {[]string{cookie(early), cookie(lateFirst)}, "late", nil},
			"junk and expired":             {[]string{cookie("junk"), cookie(expired)}, "", httpmw.ErrExpired},
			"expired and junk":             {[]string{cookie(expired), cookie("junk")}, "", httpmw.ErrExpired},
			"junk twice":                   {[]string{cookie("junk"), cookie("junk")}, "", httpmw.ErrMalformed},
			"four of junk, then a session": {[]string{cookie("1"), cookie("2"), cookie("3"), cookie("4"), cookie(early)}, "", httpmw.ErrMalformed},
			"three of junk":                {[]string{cookie("1"), cookie("2"), cookie("3"), cookie(early)}, "early", nil},
		} {
			if subject, err := f.with(row.pairs...); subject != row.subject || !errors.Is(err, row.err) {
				t.Errorf("%s: %q, %v", name, subject, err)
			}
		}

		// Of one session the newest token counts, wherever it stands.
		for _, pairs := range [][]string{{cookie(lateFirst), cookie(lateWritten)}, {cookie(lateWritten), cookie(lateFirst)}} {
			r := newBrowser().request()
			r.Header["Cookie"] = []string{strings.Join(pairs, "; ")}
			newBrowser().send(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if s := f.From(r.Context()); s.Value().Note != "newest" {
					t.Errorf("read %q, %v", s.Value().Note, s.Err())
				}
			})), r)
		}

		// Renewals belong to their sessions, in whatever order they come.
		time.Sleep(30 * time.Minute)
		for name, pairs := range map[string][]string{
			"own":                 {cookie(early), renewal(earlyRenewal)},
			"own among others":    {renewal("junk"), renewal(earlyRenewal), cookie(early), cookie("junk"), renewal("junk")},
			"two of own":          {renewal(earlyRenewal), cookie(early), renewal(earlyRenewal)},
			"of two sessions":     {cookie(expired), cookie(early), renewal(earlyRenewal)},
			"header fields mixed": {renewal(earlyRenewal), "other=1", cookie(early)},
		} {
			if subject, err := f.with(pairs...); subject != "early" || err != nil {
				t.Errorf("%s: %q, %v", name, subject, err)
			}
		}
		if _, err := f.with(cookie(early)); err != httpmw.ErrExpiredIdle {
			t.Errorf("without its renewal: %v", err)
		}

		// A revoked one is no reason to refuse another that lives.
		if _, err := f.list.Revoke(t.Context(), revocation.Session(sid), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		if subject, err := f.with(cookie(lateWritten), cookie(early), renewal(earlyRenewal)); subject != "early" || err != nil {
			t.Errorf("beside a revoked one: %q, %v", subject, err)
		}
		if _, err := f.with(cookie("junk"), cookie(lateWritten)); err != httpmw.ErrRevokedSession {
			t.Errorf("a revoked one alone: %v", err)
		}
	})
}

// Under a Domain any neighbouring host can plant a cookie. Two living sessions of different subjects are none:
// otherwise the victim would work in the attacker's account.
func TestPlantedCookies(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		const name = "__Secure-session"
		f := newFixture(t, httpmw.Config{Domain: "example.com"})
		session := func(subject string) string {
			b := newBrowser()
			time.Sleep(time.Second)
			if subject == "" {
				f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
					if err := s.Set(cart{}); err != nil {
						t.Error(err)
					}
				})
				return name + "-anon=" + b.jar[name+"-anon"]
			}
			f.login(t, b, httpmw.Identity{Subject: subject})
			return name + "=" + b.jar[name]
		}
		ann, again, mallory, nobody := session("ann"), session("ann"), session("mallory"), session("")
		for what, row := range map[string]struct {
			pairs   []string
			subject string
			err     error
		}{
			"alone":              {[]string{ann}, "ann", nil},
			"attacker's second":  {[]string{ann, mallory}, "", httpmw.ErrAmbiguous},
			"attacker's first":   {[]string{mallory, ann}, "", httpmw.ErrAmbiguous},
			"among three":        {[]string{ann, again, mallory}, "", httpmw.ErrAmbiguous},
			"anonymous, planted": {[]string{ann, nobody}, "ann", nil},
			"anonymous, twice":   {[]string{nobody, ann, nobody}, "ann", nil},
			"in a login's place": {[]string{strings.Replace(nobody, "-anon", "", 1)}, "", httpmw.ErrMalformed},
			"beside a login":     {[]string{strings.Replace(nobody, "-anon", "", 1), ann}, "ann", nil},
			"in an anonymous's":  {[]string{strings.Replace(ann, name, name+"-anon", 1)}, "", httpmw.ErrMalformed},
			"two of one subject": {[]string{ann, again}, "ann", nil},
			"junk":               {[]string{name + "=junk", ann}, "ann", nil},
		} {
			if subject, err := f.with(row.pairs...); subject != row.subject || err != row.err {
				t.Errorf("%s: %q, %v", what, subject, err)
			}
		}
		if n := f.Stats().Refused["ambiguous"]; n != 3 {
			t.Errorf("counted %d", n)
		}
		// Without a Domain the prefix of the name keeps neighbours out, and the session begun last is taken.
		plain := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
		use := func(s string) string { return strings.Replace(s, name, sessionName, 1) }
		if subject, err := plain.with(use(ann), use(mallory)); subject != "mallory" || err != nil {
			t.Errorf("without a Domain: %q, %v", subject, err)
		}
	})
}

// A planted session cannot hide that another is undecided.
func TestPlantedBesideUndecided(t *testing.T) {
	const name = "__Secure-session"
	f := newFixture(t, httpmw.Config{Domain: "example.com"})
	b, m := newBrowser(), newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	f.login(t, m, httpmw.Identity{Subject: "mallory"})
	b.jar[sessionName] = b.jar[name]
	f.mint(t, b, func(tok *token.Session) { tok.Checked += time.Minute.Milliseconds() })
	f.store.Fail()
	if subject, err := f.with(name+"="+b.jar[sessionName], name+"="+m.jar[name]); subject != "" || err != httpmw.ErrAmbiguous {
		t.Errorf("%q, %v", subject, err)
	}
	if subject, err := f.with(name+"="+b.jar[sessionName], name+"=junk"); subject != "" || err != httpmw.ErrUndecided {
		t.Errorf("beside junk: %q, %v", subject, err)
	}
}

// Several cookies of one name, as after a change of Domain: a browser that signed out is signed in by none of them.
func TestLogoutEndsEveryDuplicate(t *testing.T) {
	domain := httpmw.Config{Domain: "example.com"}
	const domainName = "__Secure-session"
	for name, row := range map[string]struct {
		config   httpmw.Config
		cookie   string
		subjects []string
		do       act
		want     error
	}{
		"logout":                      {domain, domainName, []string{"ann", "ann"}, logout, nil},
		"everywhere":                  {domain, domainName, []string{"ann", "ann"}, everywhere, nil},
		"logout, ambiguous":           {domain, domainName, []string{"ann", "bob"}, logout, nil},
		"everywhere, ambiguous":       {domain, domainName, []string{"ann", "bob"}, everywhere, httpmw.ErrAmbiguous},
		"login":                       {domain, domainName, []string{"ann", "ann"}, loginAs("ann"), nil},
		"login, ambiguous":            {domain, domainName, []string{"ann", "bob"}, loginAs("ann"), nil},
		"others":                      {domain, domainName, []string{"ann", "ann"}, logoutOthers, nil},
		"logout of two subjects":      {httpmw.Config{}, sessionName, []string{"ann", "bob"}, logout, nil},
		"others of two subjects":      {httpmw.Config{}, sessionName, []string{"ann", "bob"}, logoutOthers, nil},
		"everywhere, of two subjects": {httpmw.Config{}, sessionName, []string{"ann", "bob"}, everywhere, nil},
		"login over two subjects":     {httpmw.Config{}, sessionName, []string{"ann", "bob"}, loginAs("carl"), nil},
		"four of them":                {domain, domainName, []string{"ann", "bob", "carl", "ann"}, logout, nil},
		"four of one":                 {domain, domainName, []string{"ann", "ann", "ann", "ann"}, logout, nil},
		"others, four of one":         {domain, domainName, []string{"ann", "ann", "ann", "ann"}, logoutOthers, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, row.config)
				var all []*browser
				var pairs []string
				for _, subject := range row.subjects {
					b := newBrowser()
					f.login(t, b, httpmw.Identity{Subject: subject})
					all, pairs = append(all, b), append(pairs, row.cookie+"="+b.jar[row.cookie])
					time.Sleep(time.Second)
				}
				if err := f.sends(row.do, pairs...); err != row.want {
					t.Errorf("got %v, want %v", err, row.want)
				}
				for _, b := range all {
					out(t, b, f)
				}
			})
		})
	}
}

// Under a Domain, sessions that stand first cannot crowd the user's own out of those that are looked at.
func TestMoreCookiesThanAreLookedAt(t *testing.T) {
	ring := keys.Generate(0)
	store := revlog.NewMemory()
	f := newReplica(t, ring, store, httpmw.Config{Domain: "example.com"})
	const name = "__Secure-session"
	ann, mallory := newBrowser(), newBrowser()
	f.login(t, ann, httpmw.Identity{Subject: "ann"})
	f.login(t, mallory, httpmw.Identity{Subject: "mallory"})
	planted, own := name+"="+mallory.jar[name], name+"="+ann.jar[name]
	if subject, err := f.with(planted, planted, planted, planted, own); subject != "" || err != httpmw.ErrAmbiguous {
		t.Errorf("%q, %v", subject, err)
	}
	if n := f.Stats().Refused["ambiguous"]; n != 1 {
		t.Errorf("counted %d", n)
	}
	out := name + "=out.1"
	if subject, err := f.with(out, out, out, planted, own); subject != "" || err != httpmw.ErrAmbiguous {
		t.Errorf("behind markers: %q, %v", subject, err)
	}
	if subject, err := f.with(own, own, own, own); subject != "ann" || err != nil {
		t.Errorf("as many as are looked at: %q, %v", subject, err)
	}
	// Without a Domain nobody else can plant any.
	plain := newReplica(t, ring, store, httpmw.Config{})
	own = sessionName + "=" + ann.jar[name]
	if subject, err := plain.with(own, own, own, own, own); subject != "ann" || err != nil {
		t.Errorf("without a Domain: %q, %v", subject, err)
	}
}

// What was not looked at was not ended, and no error means that everything was.
func TestLogoutOfMoreCookiesThanAreLookedAt(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Domain: "example.com"})
		const name = "__Secure-session"
		var all []*browser
		var pairs []string
		for range 4 {
			b := newBrowser()
			f.login(t, b, httpmw.Identity{Subject: "ann"})
			all, pairs = append(all, b), append(pairs, name+"="+b.jar[name])
		}
		for what, do := range map[string]act{"logout": logout, "everywhere": everywhere} {
			if err := f.sends(do, append(pairs, name+"=junk")...); err != httpmw.ErrAmbiguous {
				t.Errorf("%s: got %v", what, err)
			}
		}
		for _, b := range all {
			out(t, b, f)
		}
		if err := f.sends(logout, pairs...); err != nil {
			t.Errorf("as many as are looked at: %v", err)
		}
	})
}
