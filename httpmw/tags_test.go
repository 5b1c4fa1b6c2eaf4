package httpmw_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/token"
)

// Somebody with a sealing key names another tag than the subject's. Revoking the subject ends the session all the same, and
// revoking whom the tag is of does not.
func TestForgedSubjectTag(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var out logs
		f := newFixture(t, httpmw.Config{Logger: out.logger(slog.LevelInfo)})
		forged, honest := newBrowser(), newBrowser()
		f.login(t, honest, httpmw.Identity{Subject: "bob"})
		f.look(honest) // bob's tag is remembered as his
		f.login(t, forged, httpmw.Identity{Subject: "admin"})
		for _, tag := range []token.Tag{{1, 2, 3}, token.Tag(f.list.Tag(revocation.Subject("bob")))} {
			f.mint(t, forged, func(tok *token.Session) { tok.SubjectTag = tag })
			for range 2 {
				if subject, err := f.look(forged); subject != "admin" || err != nil {
					t.Errorf("%q, %v", subject, err)
				}
			}
		}
		if n := f.Stats().Retagged; n != 4 {
			t.Errorf("%d counted, want 4", n)
		}
		if n := out.Count("level=WARN", "tag of another subject"); n != 1 {
			t.Errorf("%d warnings, want 1 a minute", n)
		}
		if n := out.Count("admin"); n != 0 {
			t.Error("the subject is in the log")
		}
		revoke(revocation.Subject("bob"))(t, f, nil)
		if subject, err := f.look(forged); subject != "admin" || err != nil {
			t.Errorf("after revoking whose tag it names: %q, %v", subject, err)
		}
		revoke(revocation.Subject("admin"))(t, f, nil)
		if _, err := f.look(forged); err != httpmw.ErrRevokedSubject {
			t.Errorf("after revoking the subject: %v", err)
		}
		if _, err := f.look(honest); err != httpmw.ErrRevokedSubject {
			t.Errorf("bob: %v", err)
		}
	})
}

// What is written anew carries the right tag.
func TestSubjectTagIsMended(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	for name, tag := range map[string]token.Tag{"another": {1, 2, 3}, "none": {}} {
		f.mint(t, b, func(tok *token.Session) { tok.SubjectTag = tag })
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{Note: name}); err != nil {
				t.Error(err)
			}
		})
		f.mint(t, b, func(tok *token.Session) {
			if want := token.Tag(f.list.Tag(revocation.Subject("ann"))); tok.SubjectTag != want {
				t.Errorf("%s: %x, want %x", name, tok.SubjectTag, want)
			}
		})
	}
}

// An anonymous session has no subject, whatever tag it names: revoking that subject is not about it.
func TestTagWithoutSubject(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{Note: "tea"}); err != nil {
				t.Error(err)
			}
		})
		f.mint(t, b, func(tok *token.Session) { tok.SubjectTag = token.Tag(f.list.Tag(revocation.Subject("ann"))) })
		revoke(revocation.Subject("ann"))(t, f, nil)
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if s.Value().Note != "tea" || s.Err() != nil {
				t.Errorf("%q, %v", s.Value().Note, s.Err())
			}
		})
		if n := f.Stats().Retagged; n != 1 {
			t.Errorf("%d counted, want 1", n)
		}
	})
}

// Many subjects share the place in which their tags are remembered, and tokens name tags that are not theirs, all at once.
// Each is decided by its own tag.
func TestSubjectTagsInOnePlace(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	var sharing []string // whose tags begin alike
	begin := f.list.Tag(revocation.Subject("user-0"))
	for i := 0; len(sharing) < 4; i++ {
		name := fmt.Sprint("user-", i)
		if tag := f.list.Tag(revocation.Subject(name)); tag[0] == begin[0] && tag[1]&15 == begin[1]&15 {
			sharing = append(sharing, name)
		}
	}
	revoked := sharing[0]
	sealer := token.New(keys.Static(f.ring))
	var cookies []string
	var names []string
	now := time.Now()
	for i, name := range sharing {
		for _, tagOf := range []string{name, sharing[(i+1)%len(sharing)]} {
			now := now.Add(-5 * time.Second) // before the revocation, and asked about
			c := token.Session{
				Audience: []byte("session"), ID: token.ID{byte(len(cookies))}, Subject: []byte(name), SubjectTag: token.Tag(f.list.Tag(revocation.Subject(tagOf))),
				AuthTime: now.Unix(), Validity: token.Validity{IssuedAt: now.Unix(), Expires: now.Unix() + 600, Checked: time.Now().UnixMilli(), Term: 1}, End: now.Unix() + 600, Epoch: now.UnixMilli(),
			}
			value, err := sealer.SealSession(nil, &c, now)
			if err != nil {
				t.Fatal(err)
			}
			cookies, names = append(cookies, string(value)), append(names, name)
		}
	}
	revoke(revocation.Subject(revoked))(t, f, nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 200 {
				i %= len(cookies)
				_, err := f.CheckCookies(t.Context(), cookies[i], "")
				if want := names[i] == revoked; (err == httpmw.ErrRevokedSubject) != want || !want && err != nil {
					t.Errorf("cookie %d of %s: %v", i, names[i], err)
				}
			}
		})
	}
	all.Wait()
	if !slices.Contains(names, revoked) || f.Stats().Retagged != 4*100 {
		t.Errorf("%d corrected, want 400", f.Stats().Retagged)
	}
}

func BenchmarkSubjectTag(b *testing.B) {
	f := newFixture(b, httpmw.Config{})
	br := newBrowser()
	f.login(b, br, httpmw.Identity{Subject: "ann"})
	right := br.jar[sessionName]
	f.mint(b, br, func(tok *token.Session) { tok.SubjectTag = token.Tag{1} })
	for name, cookie := range map[string]string{"right": right, "wrong": br.jar[sessionName]} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.CheckCookies(b.Context(), cookie, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
