package httpmw_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
)

func TestCookieAttributes(t *testing.T) {
	const value = "V"
	for name, row := range map[string]struct {
		config httpmw.Config
		want   string
	}{
		"zero":          {httpmw.Config{}, "__Host-Http-session=V; Path=/; HttpOnly; Secure; SameSite=Lax"},
		"app":           {httpmw.Config{App: "shop"}, "__Host-Http-shop=V; Path=/; HttpOnly; Secure; SameSite=Lax"},
		"domain":        {httpmw.Config{Domain: "example.com"}, "__Secure-session=V; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax"},
		"insecure":      {httpmw.Config{InsecureHTTP: true}, "session=V; Path=/; HttpOnly; SameSite=Lax"},
		"strict":        {httpmw.Config{SameSite: http.SameSiteStrictMode}, "__Host-Http-session=V; Path=/; HttpOnly; Secure; SameSite=Strict"},
		"embedded":      {httpmw.Config{SameSite: http.SameSiteNoneMode, Partitioned: true}, "__Host-Http-session=V; Path=/; HttpOnly; Secure; SameSite=None; Partitioned"},
		"insecure, dom": {httpmw.Config{InsecureHTTP: true, Domain: "example.com"}, "session=V; Path=/; Domain=example.com; HttpOnly; SameSite=Lax"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, row.config)
			b := newBrowser()
			res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); err != nil {
					t.Fatal(err)
				}
			})
			lines := res.Header["Set-Cookie"]
			if len(lines) != 1 {
				t.Fatalf("%d Set-Cookie lines: %q", len(lines), lines)
			}
			c, err := http.ParseSetCookie(lines[0])
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Replace(lines[0], c.Value, value, 1); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}

			// A logout repeats every attribute: else the browser keeps the cookie it has.
			res = f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := s.Logout(r.Context()); err != nil {
					t.Fatal(err)
				}
			})
			lines = res.Header["Set-Cookie"]
			marker := regexp.MustCompile(`^([^=]+=)out\.[0-9]{13};`)
			if len(lines) == 2 && marker.MatchString(lines[0]) {
				lines[0] = marker.ReplaceAllString(lines[0], "${1}V;")
			}
			renewalGone := strings.Replace(row.want, "=V", "-seen=", 1) + "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"
			if diff := cmp.Diff([]string{row.want, renewalGone}, lines); diff != "" {
				t.Errorf("logout (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScan(t *testing.T) {
	const most = 3000 // as in net/http
	many := strings.Repeat("x=y; ", most-1)
	for name, row := range map[string]struct {
		fields           []string
		session, renewal []string
	}{
		"none":             {nil, nil, nil},
		"empty":            {[]string{""}, nil, nil},
		"one":              {[]string{"__Host-Http-session=a"}, []string{"a"}, nil},
		"both":             {[]string{"__Host-Http-session=a; __Host-Http-session-seen=b"}, []string{"a"}, []string{"b"}},
		"two fields":       {[]string{"__Host-Http-session-seen=b", "q=1; __Host-Http-session=a"}, []string{"a"}, []string{"b"}},
		"among others":     {[]string{"a=1; __Host-Http-session=a;b=2"}, []string{"a"}, nil},
		"no blank":         {[]string{"x=1;__Host-Http-session=a"}, []string{"a"}, nil},
		"tabs and blanks":  {[]string{"x=1;\t __Host-Http-session=a \t; y=2"}, []string{"a"}, nil},
		"other case":       {[]string{"__host-http-session=a; __HOST-HTTP-SESSION=b"}, nil, nil},
		"longer name":      {[]string{"__Host-Http-session2=a; __Host-Http-session-seen2=b; __Host-Http-sessions=c"}, nil, nil},
		"within a name":    {[]string{"x__Host-Http-session=a"}, nil, nil},
		"within a value":   {[]string{"x=__Host-Http-session=a"}, nil, nil},
		"unicode blank":    {[]string{"\u2000__Host-Http-session=a; \u00a0__Host-Http-session=b; \u0085__Host-Http-session=c"}, nil, nil},
		"old RFC":          {[]string{`$Version=1; __Host-Http-session="a; x=b"`}, []string{`"a`}, nil},
		"comma":            {[]string{"x=1, __Host-Http-session=a"}, nil, nil},
		"name only":        {[]string{"__Host-Http-session; __Host-Http-session-seen"}, nil, nil},
		"no value":         {[]string{"__Host-Http-session="}, []string{""}, nil},
		"nameless":         {[]string{"=__Host-Http-session=a"}, nil, nil},
		"equals in value":  {[]string{"__Host-Http-session=a=b"}, []string{"a=b"}, nil},
		"five":             {[]string{"__Host-Http-session=1; __Host-Http-session=2; __Host-Http-session=3", "__Host-Http-session=4; __Host-Http-session=5"}, []string{"1", "2", "3", "4"}, nil},
		"the last":         {[]string{many + "__Host-Http-session=a"}, []string{"a"}, nil},
		"one too far":      {[]string{many + "x=y; __Host-Http-session=a"}, nil, nil},
		"in a later field": {[]string{many + "x=y", "__Host-Http-session=a"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			session, renewal := httpmw.ScanCookies(httpmw.Config{App: "session"}, row.fields)
			if !slices.Equal(session, row.session) || !slices.Equal(renewal, row.renewal) {
				t.Errorf("got %q %q, want %q %q", session, renewal, row.session, row.renewal)
			}
		})
	}
}

// FuzzScan compares the scanner with net/http's for headers that net/http takes as they are.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		"", ";", "=", "s=a", "s=a; s-seen=b", "a=b; s=c;s=d", "s=a\ns=b", " s=a ", "s=a;;;s=b", "s==a", "S=a", "s =a",
		"s=a; s=b; s=c; s=d; s=e; s=f", "\ts=a\t", "s-seen=; s", "s\u2000=a", "s= a", "s=\u00e9", "s.1=a; s=b",
		strings.Repeat("s=a;", 100), strings.Repeat(";", 1000) + "s=a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		fields := strings.Split(header, "\n")
		session, renewal := httpmw.ScanCookies(httpmw.Config{App: "s", InsecureHTTP: true}, fields)
		for _, v := range slices.Concat(session, renewal) {
			if strings.ContainsAny(v, ";\n") || strings.TrimRight(v, " \t") != v {
				t.Errorf("value %q has a separator in it", v)
			}
			if !strings.Contains(header, v) {
				t.Errorf("value %q is not of the header", v)
			}
		}
		if len(session) > 4 || len(renewal) > 4 {
			t.Errorf("%d and %d values, at most 4 are looked at", len(session), len(renewal))
		}
		// net/http strips quotes, drops values with bytes no cookie may have, allows blanks before "=", and
		// gives up beyond 3,000 pairs; we never write any of that.
		if strings.Count(header, ";") > 2000 || !sane(header) {
			return
		}
		r := &http.Request{Header: http.Header{"Cookie": fields}}
		want := func(name string) (values []string) {
			for _, c := range r.CookiesNamed(name) {
				if len(values) < 4 {
					values = append(values, c.Value)
				}
			}
			return values
		}
		if w := want("s"); !slices.Equal(session, w) {
			t.Errorf("session: got %q, net/http reads %q", session, w)
		}
		if w := want("s-seen"); !slices.Equal(renewal, w) {
			t.Errorf("renewal: got %q, net/http reads %q", renewal, w)
		}
	})
}

// sane reports whether a header has only bytes that may stand in names and values of cookies.
func sane(header string) bool {
	for i, c := range []byte(header) {
		switch {
		case c == '\n' || c == ';' || c == '\t':
		case c <= ' ' && c != ' ', c >= 0x7f, c == '"', c == ',', c == '\\':
			return false
		case c == '=' && i > 0 && (header[i-1] == ' ' || header[i-1] == '\t'):
			return false
		case (c == ' ' || c == '\t') && i > 0 && header[i-1] == '=':
			return false // net/http trims it off the value's front only if it is the whole value
		}
	}
	// "s" without "=" is a cookie with an empty value to net/http and nothing to us.
	for pair := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ';' || r == '\n' }) {
		if !strings.Contains(pair, "=") {
			return false
		}
	}
	// A blank within a value is dropped by one and kept by the other.
	for pair := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ';' || r == '\n' }) {
		if strings.ContainsAny(strings.Trim(pair, " \t"), " \t") {
			return false
		}
	}
	return true
}

// A header of a megabyte costs one pass, whatever is in it.
func TestHugeCookieHeaders(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	ours := sessionName + "=" + b.jar[sessionName]
	const mega = 1 << 20
	for name, row := range map[string]struct {
		header  string
		subject string
		unseen  bool // our cookie was not found, as if none had come
	}{
		"many others first":  {strings.Repeat("x=y; ", 2999) + ours, "ann", false},
		"too many others":    {strings.Repeat("x=y; ", 3000) + ours, "", true},
		"one large other":    {"x=" + strings.Repeat("y", mega) + "; " + ours, "ann", false},
		"semicolons":         {strings.Repeat(";", mega) + ours, "", true},
		"blanks":             {strings.Repeat(" ", mega) + ours, "ann", false},
		"dots":               {sessionName + "=" + strings.Repeat(".", mega), "", false},
		"letters":            {sessionName + "=" + strings.Repeat("A", mega), "", false},
		"our name all along": {strings.Repeat(sessionName+"=.; ", mega/len(sessionName)), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "https://app.test/", nil)
			r.Header.Set("Cookie", row.header)
			var subject string
			var err error
			h := f.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := f.From(r.Context())
				subject, err = s.Subject(), s.Err()
			}))
			newBrowser().send(h, r)
			if subject != row.subject || row.unseen && err != nil {
				t.Errorf("subject %q, want %q; %v", subject, row.subject, err)
			}
			allocated := testing.AllocsPerRun(3, func() { h.ServeHTTP(httptest.NewRecorder(), r) })
			if allocated > 40 {
				t.Errorf("%v allocations for a header that says nothing", allocated)
			}
		})
	}
}

// Two applications under one ring refuse each other's cookies.
func TestAudiences(t *testing.T) {
	shop := newFixture(t, httpmw.Config{App: "shop"})
	desk := newReplica(t, shop.ring, shop.store.Unwrap(), httpmw.Config{App: "desk"})
	b := newBrowser()
	shop.login(t, b, httpmw.Identity{Subject: "ann"})
	moved := newBrowser()
	moved.jar["__Host-Http-desk"] = b.jar["__Host-Http-shop"]
	subject, err := desk.look(moved)
	if subject != "" || err != httpmw.ErrWrongAudience {
		t.Errorf("got %q, %v", subject, err)
	}
	if n := desk.Stats().Refused["wrong_audience"]; n != 1 {
		t.Errorf("counted %d", n)
	}
}

// The renewal cookie cannot serve as a session, nor the session's as a renewal.
func TestKindsOfTokensDoNotSwap(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	swapped := newBrowser()
	swapped.jar[renewalName] = b.jar[sessionName]
	if subject, err := f.look(swapped); subject != "" || err != nil {
		t.Errorf("got %q, %v", subject, err)
	}
	b.jar[renewalName] = b.jar[sessionName]
	if subject, err := f.look(b); subject != "ann" || err != nil {
		t.Errorf("got %q, %v", subject, err)
	}
}

func ExampleSizeError() {
	err := error(&httpmw.SizeError{Size: 3812, Max: 3500, Data: 2300, Cut: 235})
	fmt.Println(err)
	// Output: httpmw: session too large: 3812 bytes, at most 3500 fit: shorten the 2300 bytes of data by 235
}
