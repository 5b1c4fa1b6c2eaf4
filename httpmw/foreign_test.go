package httpmw_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/token"
)

// mintRenewal seals a renewal token for a browser's session.
func (f *fixture) mintRenewal(t testing.TB, b *browser, ring *keys.Ring, edit func(*token.Renewal)) {
	t.Helper()
	sealer := token.New(keys.Static(ring))
	var tok token.Session
	if err := sealer.OpenSession(nil, b.jar[sessionName], &tok, time.Now()); err != nil {
		t.Fatal(err)
	}
	renewal := token.Renewal{ID: tok.ID, Validity: tok.Validity}
	edit(&renewal)
	value, err := sealer.SealRenewal(nil, &renewal, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b.jar[renewalName] = string(value)
}

// A holder of the key may mint tokens with any JOSE library, and leave out optional claims. Such a session can be
// revoked like any other.
func TestTokensMintedElsewhere(t *testing.T) {
	bare := func(tok *token.Session) {
		tok.SubjectTag, tok.GroupTags, tok.Groups = token.Tag{}, [token.MaxGroups]token.Tag{}, 0
		tok.Epoch, tok.Checked, tok.Term, tok.Data = 0, 0, 0, nil
	}
	for name, do := range map[string]func(t *testing.T, f *fixture, b *browser){
		"by subject": revoke(revocation.Subject("ann")),
		"by logout": func(t *testing.T, f *fixture, b *browser) {
			f.in(b.copy(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := s.Logout(r.Context()); err != nil {
					t.Error(err)
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, httpmw.Config{})
			b := newBrowser()
			f.login(t, b, httpmw.Identity{Subject: "ann"})
			f.mint(t, b, func(tok *token.Session) {
				tok.SubjectTag = token.Tag{}
				tok.ID[0] ^= 1 // a session of its own
			})
			if subject, err := f.look(b); subject != "ann" || err != nil {
				t.Fatalf("%q, %v", subject, err)
			}
			do(t, f, b)
			if _, err := f.look(b); err != httpmw.ErrRevokedSubject && err != httpmw.ErrRevokedSession {
				t.Errorf("got %v", err)
			}
		})
	}
	// Without ep and chk nothing vouches for it, and it is not accepted.
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	f.mint(t, b, bare)
	if subject, err := f.look(b); subject != "" || err == nil {
		t.Errorf("a session that says nothing of when it began is %q, %v", subject, err)
	}
}

// A program that mints tokens as docs/format.md says, with ep and chk some seconds before the login and without ln, has its
// session looked up in the store once.
func TestMintedElsewhereAsksOnce(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		time.Sleep(time.Minute)
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		f.mint(t, b, func(tok *token.Session) {
			tok.ID[0] ^= 1 // a session of its own
			tok.SubjectTag, tok.Term = token.Tag{}, 0
			tok.Epoch, tok.Checked = time.Now().Add(-5*time.Second).UnixMilli(), time.Now().Add(-5*time.Second).UnixMilli()
		})
		asked := f.store.Confirms()
		for range 3 {
			if subject, err := f.look(b); subject != "ann" || err != nil {
				t.Errorf("%q, %v", subject, err)
			}
		}
		if n := f.store.Confirms() - asked; n != 1 {
			t.Errorf("the store was asked %d times", n)
		}
	})
}

// A write counts over the renewal that the request brought, though that is of a replica whose clock is fast.
func TestWriteOverARenewalFromAFastClock(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		f.mintRenewal(t, b, f.ring, func(renewal *token.Renewal) {
			renewal.IssuedAt, renewal.Expires = renewal.IssuedAt+3599, renewal.Expires-3600
		})
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(cart{Note: "x"}); err != nil {
				t.Error(err)
			}
		})
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if idle, _ := s.Deadlines(); s.Value().Note != "x" || !idle.Equal(time.Unix(time.Now().Unix(), 0).Add(2*time.Hour)) {
				t.Errorf("%v; the idle limit is %v from now", s.Err(), time.Until(idle))
			}
		})
	})
}

// No renewal goes beyond the end, whatever it says.
func TestRenewalBeyondTheEnd(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour, Absolute: 2 * time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		end := time.Unix(time.Now().Unix(), 0).Add(2 * time.Hour)
		f.mintRenewal(t, b, f.ring, func(renewal *token.Renewal) { renewal.Expires += 2 * 3600 })
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if idle, absolute := s.Deadlines(); !idle.Equal(end) || !absolute.Equal(end) {
				t.Errorf("limits %v and %v, want %v", idle, absolute, end)
			}
		})
		// And none of ours says so.
		time.Sleep(90 * time.Minute)
		f.look(b)
		var renewal token.Renewal
		if err := token.New(keys.Static(f.ring)).OpenRenewal(nil, b.jar[renewalName], &renewal, time.Now()); err != nil || renewal.Expires != end.Unix() {
			t.Errorf("a renewal says %v, %v, want %v", time.Unix(renewal.Expires, 0), err, end)
		}
		time.Sleep(30 * time.Minute)
		if _, err := f.look(b); err != httpmw.ErrExpiredAbsolute {
			t.Errorf("at the end: %v", err)
		}
	})
}

// A renewal sealed with a key this replica does not know yet does not count, and has the key looked for.
func TestRenewalOfAnUnknownKey(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		rotated, err := f.ring.Rotate(time.Now(), keys.Rotation{Immediate: true})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		f.mintRenewal(t, b, rotated, func(renewal *token.Renewal) { renewal.Expires += 60 })
		if subject, err := f.look(b); subject != "ann" || err != nil || f.Stats().Lookups != 1 {
			t.Errorf("%q, %v, %d lookups", subject, err, f.Stats().Lookups)
		}
	})
}

// The key of a renewal that counts is asked about too: the list knows of a stolen key before the ring does.
func TestRenewalOfAKeyTheListRevokes(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		rotated, err := f.ring.Rotate(time.Now(), keys.Rotation{Immediate: true})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		newest, ok := rotated.Sealing(time.Now())
		if !ok {
			t.Fatal("no key seals")
		}
		next := newReplica(t, rotated, f.store.Unwrap(), httpmw.Config{})
		next.mintRenewal(t, b, rotated, func(*token.Renewal) {})
		if subject, err := next.look(b); subject != "ann" || err != nil {
			t.Fatalf("%q, %v", subject, err)
		}
		if _, err := next.list.Revoke(t.Context(), revocation.Key(newest.ID()), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		if _, err := next.look(b); err != httpmw.ErrRevokedKey {
			t.Errorf("with a renewal of the revoked key: %v", err)
		}
		delete(b.jar, renewalName)
		if subject, err := next.look(b); subject != "ann" || err != nil {
			t.Errorf("without it: %q, %v", subject, err)
		}
	})
}
