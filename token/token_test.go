package token_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/token"
)

// A session without anything that can be left out.
func leastSession() *token.Session {
	return &token.Session{Audience: []byte("a")}
}

func TestSessionComesBack(t *testing.T) {
	s := testSealer(t)
	rows := []struct {
		name   string
		change func(*token.Session)
	}{
		{"everything", func(c *token.Session) { *c = *fullSession() }},
		{"nothing that can be left out", func(*token.Session) {}},
		{"subject", func(c *token.Session) { c.Subject = []byte("alice") }},
		{"subject that needs escapes", func(c *token.Session) { c.Subject = []byte("a\"b\\c\x00\x1f/\x7f") }},
		{"subject beyond ASCII", func(c *token.Session) { c.Subject = []byte("zoë ⛵ 𝄞 \u2028") }},
		{"longest subject", func(c *token.Session) { c.Subject = []byte(strings.Repeat("x", token.MaxSubject)) }},
		{"longest subject in escapes", func(c *token.Session) { c.Subject = []byte(strings.Repeat("\x01", token.MaxSubject)) }},
		{"audience that needs escapes", func(c *token.Session) { c.Audience = []byte("\"\\\t") }},
		{"longest audience", func(c *token.Session) { c.Audience = []byte(strings.Repeat("é", token.MaxAudience/2)) }},
		{"subject tag", func(c *token.Session) { c.SubjectTag[15] = 1 }},
		{"one group", func(c *token.Session) { c.GroupTags[0][0], c.Groups = 1, 1 }},
		{"eight groups", func(c *token.Session) {
			for i := range c.GroupTags {
				c.GroupTags[i] = token.Tag(bits(fmt.Sprint("group", i), 16))
			}
			c.Groups = 8
		}},
		{"a group of zeros", func(c *token.Session) { c.Groups = 1 }},
		{"largest numbers", func(c *token.Session) {
			c.AuthTime, c.Epoch, c.IssuedAt, c.Expires, c.End, c.Checked = 1<<53-1, 1<<53-1, 1<<53-1, 1<<53-1, 1<<53-1, 1<<53-1
			c.Term, c.Version = 1<<32-1, 1<<53-1
		}},
		{"one method", func(c *token.Session) { c.Methods = methods("pwd") }},
		{"eight methods of 16 bytes", func(c *token.Session) { c.Methods = mostMethods() }},
		{"methods that look like JSON", func(c *token.Session) { c.Methods = methods(",", "]", "],{:}", "~!'[") }},
		{"remembered", func(c *token.Session) { c.Remembered = true }},
		{"version", func(c *token.Session) { c.Version = 1 }},
		{"data", func(c *token.Session) { c.Data = []byte(`{"a":[1,2,{}]}`) }},
		{"data with white space", func(c *token.Session) { c.Data = []byte("\n 1 ") }},
		{"data that is not JSON", func(c *token.Session) { c.Data = []byte("}\xff\x00{") }},
		{"data that looks like claims", func(c *token.Session) { c.Data = []byte(`1,"sub":"mallory","dat":2`) }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			in := leastSession()
			row.change(in)
			got, err := opened(s, sealed(t, s, in, testTime))
			if err != nil {
				t.Fatal(err)
			}
			want := *in
			want.KeyID = testKID("a")
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("opened differs from sealed (-sealed +opened):\n%s", diff)
			}
		})
	}
}

func TestRenewalComesBack(t *testing.T) {
	s := testSealer(t)
	for _, in := range []*token.Renewal{
		fullRenewal(),
		{},
		{Validity: token.Validity{IssuedAt: 1<<53 - 1, Expires: 1<<53 - 1, Checked: 1<<53 - 1, Term: 1<<32 - 1}},
	} {
		got, err := openedRenewal(s, sealedRenewal(t, s, in, testTime))
		if err != nil {
			t.Fatal(err)
		}
		want := *in
		want.KeyID = testKID("a")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("opened differs from sealed (-sealed +opened):\n%s", diff)
		}
	}
}

// The canonical form, byte for byte: other implementations rely on it.
func TestCanonicalForm(t *testing.T) {
	rows := []struct {
		name string
		c    *token.Session
		want string
	}{
		{"everything", fullSession(), `{"aud":"shop","sid":"` + b64(bits("sid", 16)) + `","sub":"alice","stg":"` + b64(bits("stg", 16)) +
			`","grp":["` + b64(bits("grp 0", 16)) + `","` + b64(bits("grp 1", 16)) + `"],"auth_time":1759999940,"ep":1759999939877` +
			`,"iat":1760000000,"exp":1760007200,"end":1760086340,"rem":true,"chk":1759999999983,"ln":3,"ver":7,"dat":{"cart":["tea","cup"],"total":1250}}`},
		{"least", leastSession(), `{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":0,"iat":0,"exp":0,"end":0}`},
		{"loaded", &token.Session{Audience: []byte("a"), AuthTime: 1, Epoch: 2, Loaded: 3},
			`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"ep":2,"ld":3,"iat":0,"exp":0,"end":0}`},
		{"methods", &token.Session{Audience: []byte("a"), AuthTime: 1, Methods: methods("pwd", "otp", "mfa"), Epoch: 2},
			`{"aud":"a","sid":"AAAAAAAAAAAAAAAAAAAAAA","auth_time":1,"amr":["pwd","otp","mfa"],"ep":2,"iat":0,"exp":0,"end":0}`},
		{"escapes", &token.Session{Audience: []byte("\"\\/"), Subject: []byte("\b\x1fé")},
			`{"aud":"\"\\/","sid":"AAAAAAAAAAAAAAAAAAAAAA","sub":"\u0008\u001fé","auth_time":0,"iat":0,"exp":0,"end":0}`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, plaintextOf(t, sealed(t, testSealer(t), row.c, testTime))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("seen", func(t *testing.T) {
		want := `{"sid":"` + b64(bits("sid", 16)) + `","iat":1760000720,"exp":1760007920,"chk":1760000719990,"ln":3}`
		if diff := cmp.Diff(want, plaintextOf(t, sealedRenewal(t, testSealer(t), fullRenewal(), testTime))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func plaintextOf(t *testing.T, compact string) string {
	t.Helper()
	parts, err := jwe.Split(compact)
	if err != nil {
		t.Fatal(err)
	}
	b, err := parts.Open(nil, testAEAD(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSealRefuses(t *testing.T) {
	rows := []struct {
		name   string
		change func(*token.Session)
		want   error
	}{
		{"no audience", func(c *token.Session) { c.Audience = nil }, token.ErrMalformed},
		{"audience too long", func(c *token.Session) { c.Audience = make([]byte, token.MaxAudience+1) }, token.ErrTooLarge},
		{"audience that is not UTF-8", func(c *token.Session) { c.Audience = []byte("a\xff") }, token.ErrMalformed},
		{"subject too long", func(c *token.Session) { c.Subject = make([]byte, token.MaxSubject+1) }, token.ErrTooLarge},
		{"subject that is not UTF-8", func(c *token.Session) { c.Subject = []byte("a\xc3") }, token.ErrMalformed},
		{"subject with half a surrogate pair", func(c *token.Session) { c.Subject = []byte("\xed\xa0\x80") }, token.ErrMalformed},
		{"nine groups", func(c *token.Session) { c.Groups = 9 }, token.ErrTooLarge},
		{"less than no groups", func(c *token.Session) { c.Groups = -1 }, token.ErrMalformed},
		{"method too long", func(c *token.Session) { c.Methods = methods(strings.Repeat("x", token.MaxMethod+1)) }, token.ErrMalformed},
		{"method with a space", func(c *token.Session) { c.Methods = methods("one time") }, token.ErrMalformed},
		{"method with a quotation mark", func(c *token.Session) { c.Methods = methods(`a"b`) }, token.ErrMalformed},
		{"method with a backslash", func(c *token.Session) { c.Methods = methods(`a\b`) }, token.ErrMalformed},
		{"method with a control character", func(c *token.Session) { c.Methods = methods("a\x7f") }, token.ErrMalformed},
		{"method that is not ASCII", func(c *token.Session) { c.Methods = methods("zoë") }, token.ErrMalformed},
		{"method twice", func(c *token.Session) { c.Methods = methods("pwd", "otp", "pwd") }, token.ErrMalformed},
		{"method behind an empty one", func(c *token.Session) { c.Methods = methods("", "pwd") }, token.ErrMalformed},
		{"negative auth_time", func(c *token.Session) { c.AuthTime = -1 }, token.ErrMalformed},
		{"negative ld", func(c *token.Session) { c.Loaded = -1 }, token.ErrMalformed},
		{"negative ep", func(c *token.Session) { c.Epoch = -1 }, token.ErrMalformed},
		{"negative iat", func(c *token.Session) { c.IssuedAt = -1 }, token.ErrMalformed},
		{"negative exp", func(c *token.Session) { c.Expires = -1 }, token.ErrMalformed},
		{"negative end", func(c *token.Session) { c.End = -1 }, token.ErrMalformed},
		{"negative chk", func(c *token.Session) { c.Checked = -1 }, token.ErrMalformed},
		{"exp of 2^53", func(c *token.Session) { c.Expires = 1 << 53 }, token.ErrMalformed},
		{"data of a token's length", func(c *token.Session) { c.Data = make([]byte, token.MaxLength) }, token.ErrTooLarge},
		{"more data than a token's length", func(c *token.Session) { c.Data = make([]byte, token.MaxLength+1) }, token.ErrTooLarge},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			c := fullSession()
			row.change(c)
			got, err := testSealer(t).SealSession([]byte("before"), c, testTime)
			if !errors.Is(err, row.want) || string(got) != "before" {
				t.Errorf("%q, %v, want dst as it was and %v", got, err, row.want)
			}
		})
	}
	for _, c := range []token.Renewal{{Validity: token.Validity{IssuedAt: -1}}, {Validity: token.Validity{Expires: -1}}, {Validity: token.Validity{Checked: -1}}, {Validity: token.Validity{Checked: 1 << 53}}} {
		if got, err := testSealer(t).SealRenewal([]byte("before"), &c, testTime); !errors.Is(err, token.ErrMalformed) || string(got) != "before" {
			t.Errorf("%+v: %q, %v, want dst as it was and ErrMalformed", c, got, err)
		}
	}
}

// Every sealed token opens, up to the longest one, to the byte.
func TestLongestToken(t *testing.T) {
	s := testSealer(t)
	longest := 0
	for n := 2000; n < 3000; n++ {
		c := fullSession()
		c.Methods = mostMethods()
		c.Data = []byte(`"` + strings.Repeat("x", n) + `"`)
		compact, err := s.SealSession(nil, c, testTime)
		if err != nil {
			if !errors.Is(err, token.ErrTooLarge) {
				t.Fatal(err)
			}
			break
		}
		longest = len(compact)
		got, err := opened(s, string(compact))
		if err != nil || string(got.Data) != string(c.Data) {
			t.Fatalf("a token of %d bytes: %v", len(compact), err)
		}
	}
	if longest < token.MaxLength-1 || longest > token.MaxLength {
		t.Errorf("the longest token that was sealed has %d bytes", longest)
	}
}

func TestID(t *testing.T) {
	id := token.ID(bits("id", 16))
	if got, want := id.String(), b64(id[:]); got != want {
		t.Errorf("String is %s, want %s", got, want)
	}
	got, ok := token.ParseID(id.String())
	if !ok || got != id {
		t.Errorf("ParseID(String) = %s, %v", got, ok)
	}
	for _, bad := range []string{"", id.String()[:21], id.String() + "A", strings.Repeat("A", 21) + "B", strings.Repeat("A", 21) + "\n", strings.Repeat("=", 22)} {
		if got, ok := token.ParseID(bad); ok || got != (token.ID{}) {
			t.Errorf("ParseID(%q) = %s, %v", bad, got, ok)
		}
	}
}

func TestAllocations(t *testing.T) {
	s := testSealer(t)
	session, renewal := fullSession(), fullRenewal()
	compact, compactRenewal := sealed(t, s, session, testTime), sealedRenewal(t, s, renewal, testTime)
	compactBearer := sealedBearer(t, s, session, testTime)
	strong := fullSession()
	strong.Methods = mostMethods()
	compactStrong := sealed(t, s, strong, testTime)
	other := mint(t, `{"typ":"session+jwt","kid":"`+testKID("a")+`","enc":"A256GCM","alg":"dir"}`,
		`{"future":{"a":[1,2.5e3]},"amr":[ "pwd", "\u006ftp" ],"sub":"\u0061lice","sid":"AAAAAAAAAAAAAAAAAAAAAA","end":1,"exp":1,"iat":1,"auth_time":1,"aud":["shop"]}`)
	buf := make([]byte, token.MaxLength)
	dst := make([]byte, 0, 2*token.MaxLength)
	var c token.Session
	var e token.Renewal
	tampered := changed(compact)
	huge := strings.Repeat(".", 1<<20)
	rows := []struct {
		name  string
		limit float64
		f     func() error
	}{
		{"open a session", 0, func() error { return s.OpenSession(buf, compact, &c, testTime) }},
		{"open a renewal token", 0, func() error { return s.OpenRenewal(buf, compactRenewal, &e, testTime) }},
		{"open a bearer token", 0, func() error { return s.OpenBearer(buf, compactBearer, &c, testTime) }},
		{"open a session with methods", 0, func() error { return s.OpenSession(buf, compactStrong, &c, testTime) }},
		{"open a token that was minted elsewhere", 0, func() error { return s.OpenSession(buf, other, &c, testTime) }},
		{"open without a buffer", 1, func() error { return s.OpenSession(nil, compact, &c, testTime) }},
		{"seal a session", 1, func() error { _, err := s.SealSession(nil, session, testTime); return err }},
		{"seal a session into a buffer", 0, func() error { _, err := s.SealSession(dst, session, testTime); return err }},
		{"seal a session with methods into a buffer", 0, func() error { _, err := s.SealSession(dst, strong, testTime); return err }},
		{"seal a bearer token", 1, func() error { _, err := s.SealBearer(nil, session, testTime); return err }},
		{"seal a renewal token", 1, func() error { _, err := s.SealRenewal(nil, renewal, testTime); return err }},
		{"seal a renewal token into a buffer", 0, func() error { _, err := s.SealRenewal(dst, renewal, testTime); return err }},
		{"refuse a tampered token", 0, func() error { return refused(s.OpenSession(buf, tampered, &c, testTime)) }},
		{"refuse 1 MB of dots", 0, func() error { return refused(s.OpenSession(buf, huge, &c, testTime)) }},
		{"refuse 4,096 dots", 0, func() error { return refused(s.OpenSession(buf, huge[:4096], &c, testTime)) }},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if err := row.f(); err != nil {
				t.Fatal(err)
			}
			if n := testing.AllocsPerRun(100, func() { row.f() }); n > row.limit {
				t.Errorf("%v allocations, want at most %v", n, row.limit)
			}
		})
	}
}

// The capacity that the documentation asks for is enough, whichever claims are left out.
func TestSealIntoLittleRoom(t *testing.T) {
	s := testSealer(t)
	full := fullSession()
	full.Subject = []byte(strings.Repeat("\"", token.MaxSubject))
	strong := fullSession()
	strong.Methods = mostMethods()
	for _, c := range []*token.Session{leastSession(), fullSession(), full, strong} {
		dst := make([]byte, 0, len(sealed(t, s, c, testTime))+300)
		if n := testing.AllocsPerRun(20, func() { s.SealSession(dst, c, testTime) }); n != 0 {
			t.Errorf("a session allocates %v times", n)
		}
	}
	for _, c := range []*token.Renewal{{}, fullRenewal()} {
		dst := make([]byte, 0, len(sealedRenewal(t, s, c, testTime))+300)
		if n := testing.AllocsPerRun(20, func() { s.SealRenewal(dst, c, testTime) }); n != 0 {
			t.Errorf("a renewal token allocates %v times", n)
		}
	}
}

func refused(err error) error {
	if err == nil {
		return errors.New("it opens")
	}
	return nil
}

// The slices of an opened session point into the buffer, so opening another token into the buffer
// may overwrite them. Without a buffer, each session has its own.
func TestOpenedSessionLiesInTheBuffer(t *testing.T) {
	s := testSealer(t)
	compact := sealed(t, s, fullSession(), testTime)
	var c token.Session
	buf := make([]byte, token.MaxLength)
	if err := s.OpenSession(buf, compact, &c, testTime); err != nil {
		t.Fatal(err)
	}
	clear(buf)
	for _, b := range [][]byte{c.Audience, c.Subject, c.Data} {
		if strings.Trim(string(b), "\x00") != "" {
			t.Errorf("%q is not in the buffer", b)
		}
		if len(b) != cap(b) {
			t.Errorf("appending to a slice of %d bytes would write on, its capacity is %d", len(b), cap(b))
		}
	}
}

// Opening compares the clock only with the times of the key.
func TestDeadlinesAreForTheCaller(t *testing.T) {
	s := testSealer(t)
	compact := sealed(t, s, fullSession(), testTime)
	var c token.Session
	for _, now := range []time.Time{testTime.AddDate(-10, 0, 0), testTime.AddDate(10, 0, 0)} {
		if err := s.OpenSession(nil, compact, &c, now); err != nil {
			t.Errorf("at %v: %v", now, err)
		}
	}
}
