package httpmw_test

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// While nobody runs, an old copy of the ring file is put back, in which a revoked key seals. The list remembers: what that key
// sealed stays refused, and it seals nothing new until the ring is rotated.
func TestOldRingIsPutBack(t *testing.T) {
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "kek"))
	open := func() *keys.File {
		t.Helper()
		f, err := keys.OpenFile(t.Context(), path, kek, keys.FileConfig{Create: true, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var out logs
	store := revlog.NewMemory()
	start := func(src keys.Source) *fixture {
		t.Helper()
		list, err := revocation.Open(t.Context(), store, src.Ring(), revocation.Config{Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { list.Close() })
		m, err := httpmw.New[cart](src, list, httpmw.Config{Logger: out.logger(slog.LevelInfo)})
		if err != nil {
			t.Fatal(err)
		}
		return &fixture{m, src.Ring(), nil, list}
	}
	src := open()
	first := start(src)
	leaked, ok := src.Ring().Sealing(time.Now())
	if !ok {
		t.Fatal("no key seals")
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser()
	first.login(t, b, httpmw.Identity{Subject: "ann"})
	bearer, err := first.Issue(t.Context(), httpmw.Identity{Subject: "robot"}, cart{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Revoke(time.Now(), leaked.ID()) }); err != nil {
		t.Fatal(err)
	}
	if _, err := first.list.Revoke(t.Context(), revocation.Key(leaked.ID()), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := first.list.Close(); err != nil {
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}

	src = open()
	defer src.Close()
	second := start(src)
	if k, _ := src.Ring().Sealing(time.Now()); k.ID() != leaked.ID() {
		t.Fatal("the old copy of the ring has another sealing key")
	}
	if _, err := second.look(b.copy()); err != httpmw.ErrRevokedKey {
		t.Errorf("a cookie that the key sealed: %v", err)
	}
	if _, err := second.Check(t.Context(), bearer); err != httpmw.ErrRevokedKey {
		t.Errorf("a bearer token that the key sealed: %v", err)
	}
	fresh := newBrowser()
	res := second.in(fresh, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); err != httpmw.ErrSealingKeyRevoked {
			t.Errorf("login: %v", err)
		}
		if s.LoggedIn() {
			t.Error("logged in all the same")
		}
		if err := s.Set(cart{}); err != httpmw.ErrSealingKeyRevoked {
			t.Errorf("an anonymous session: %v", err)
		}
	})
	if len(res.Cookies()) != 0 {
		t.Errorf("cookies %v", setNames(res))
	}
	if _, err := second.Issue(t.Context(), httpmw.Identity{Subject: "robot"}, cart{}, 0); err != httpmw.ErrSealingKeyRevoked {
		t.Errorf("a bearer token: %v", err)
	}
	if n := second.Stats().Unsealable; n != 3 {
		t.Errorf("%d counted, want 3", n)
	}
	if n := out.Count("level=ERROR", "wafer keys rotate --now", leaked.ID()); n != 1 {
		t.Errorf("%d errors in the log, want 1 a minute", n)
	}

	// The way out that the error names.
	if err := src.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Rotate(time.Now(), keys.Rotation{Immediate: true}) }); err != nil {
		t.Fatal(err)
	}
	second.login(t, fresh, httpmw.Identity{Subject: "ann"})
	if subject, err := second.look(fresh); subject != "ann" || err != nil {
		t.Errorf("after a rotation: %q, %v", subject, err)
	}
	if _, err := second.look(b); err != httpmw.ErrRevokedKey {
		t.Errorf("a cookie that the revoked key sealed, after a rotation: %v", err)
	}
}

// Sessions of good keys live on while the sealing key is revoked. They are not renewed or changed, and what cannot be sealed
// ends nothing. There is no fallback to the good key.
func TestSealingKeyIsRevoked(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		good := keys.Generate(0)
		ring, err := good.Rotate(time.Now(), keys.Rotation{Immediate: true})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		var said logs
		f := newReplica(t, ring, revlog.NewMemory(), httpmw.Config{Logger: said.logger(slog.LevelWarn)})
		before := newReplica(t, good, f.store.Unwrap(), httpmw.Config{})
		b := newBrowser()
		before.login(t, b, httpmw.Identity{Subject: "ann"})
		sealing, _ := ring.Sealing(time.Now())
		revoke(revocation.Key(sealing.ID()))(t, f, nil)
		time.Sleep(10 * time.Minute)
		res := f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			sid := s.ID()
			for name, err := range map[string]error{
				"Set":          s.Set(cart{Note: "x"}),
				"Login":        s.Login(r.Context(), httpmw.Identity{Subject: "ann"}),
				"SetGroups":    s.SetGroups(r.Context(), []string{"g"}),
				"LogoutOthers": s.LogoutOthers(r.Context()),
			} {
				if !errors.Is(err, httpmw.ErrSealingKeyRevoked) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if s.Subject() != "ann" || s.ID() != sid {
				t.Errorf("the session is %q now, %v", s.Subject(), s.Err())
			}
		})
		if diff := cmp.Diff([]string(nil), setNames(res)); diff != "" {
			t.Errorf("a renewal, too, is sealed: %s", diff)
		}
		if n := f.Stats(); n.Unsealed != 1 || n.Unsealable != 5 {
			t.Errorf("%d renewals not sealed, %d not sealed in all", n.Unsealed, n.Unsealable)
		}
		if n := said.Count("cannot be renewed"); n != 1 {
			t.Errorf("%d warnings of renewals", n)
		}
		if subject, err := f.look(b); subject != "ann" || err != nil {
			t.Errorf("the next request: %q, %v", subject, err)
		}
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.Logout(r.Context()); err != nil {
				t.Errorf("logout: %v", err)
			}
		})
	})
}

// A process that has not got the new ring yet looks for it when the list says that its sealing key is revoked.
func TestRevokedSealingKeyIsLookedFor(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring := keys.Generate(0)
		next, err := ring.Rotate(time.Now(), keys.Rotation{Immediate: true})
		if err != nil {
			t.Fatal(err)
		}
		src := &source{next: next}
		src.ring.Store(ring)
		list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		defer list.Close()
		m, err := httpmw.New[cart](src, list, httpmw.Config{Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		f := &fixture{m, ring, nil, list}
		k, _ := ring.Sealing(time.Now())
		revoke(revocation.Key(k.ID()))(t, f, nil)
		time.Sleep(time.Minute)
		if _, err := f.Issue(t.Context(), httpmw.Identity{Subject: "robot"}, cart{}, 0); err != httpmw.ErrSealingKeyRevoked {
			t.Errorf("at first: %v", err)
		}
		time.Sleep(time.Second)
		bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "robot"}, cart{}, 0)
		if err != nil {
			t.Fatalf("after it was looked for: %v", err)
		}
		var tok token.Session
		if err := token.New(src).OpenBearer(nil, bearer, &tok, time.Now()); err != nil || tok.KeyID == k.ID() {
			t.Errorf("sealed by %s: %v", tok.KeyID, err)
		}
	})
}
