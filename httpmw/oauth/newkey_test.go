package oauth_test

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A replica that looked at its ring just before another one rotated it does not take a token of the new
// key for a bad one.
func TestATokenOfANewKeyRightAfterALook(t *testing.T) {
	for _, endpoint := range []string{"introspect", "revoke"} {
		t.Run(endpoint, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "ring.json")
				if err := keys.CreateFile(t.Context(), path, keys.InsecurePlaintext(), keys.Generate(0)); err != nil {
					t.Fatal(err)
				}
				store := revlog.NewMemory()
				first, late := openFile(t, path), openFile(t, path)
				time.Sleep(time.Minute)
				if err := late.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := first.Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) {
					return r.Rotate(time.Now(), keys.Rotation{Immediate: true})
				}); err != nil {
					t.Fatal(err)
				}
				here, there := joinWith(t, late, store, httpmw.Config{}), joinWith(t, first, store, httpmw.Config{})
				bearer := there.issue(t)
				robot, err := there.Check(t.Context(), bearer)
				if err != nil {
					t.Fatal(err)
				}
				if endpoint == "introspect" {
					here.active(t, bearer, true)
					return
				}
				if got := here.revoke(t, bearer); got.status != http.StatusOK {
					t.Errorf("%d %v", got.status, got.body)
				}
				if _, ok, err := there.list.Revoked(t.Context(), revocation.Session(robot.ID())); !ok || err != nil {
					t.Errorf("answered 200, and Revoked = %v, %v", ok, err)
				}
			})
		})
	}
}

// openFile opens a ring that is read only when somebody asks.
func openFile(t *testing.T, path string) *keys.File {
	t.Helper()
	f, err := keys.OpenFile(t.Context(), path, keys.InsecurePlaintext(), keys.FileConfig{Poll: time.Hour, PollOnly: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Tokens of keys that nobody has hold no more than some requests up, whatever clients send.
func TestNotEveryRequestLooksForAKey(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		source := &stuck{Source: keys.Static(keys.Generate(0)), asked: make(chan struct{})}
		f := joinWith(t, source, revlog.NewMemory(), httpmw.Config{})
		good, unknown := f.issue(t), start(t).issue(t)
		answers := make(chan answer, 100)
		for range cap(answers) {
			go func() { answers <- f.introspect(t, unknown) }()
		}
		synctest.Wait()
		if n := len(answers); n != cap(answers)-64 {
			t.Errorf("%d were answered at once", n)
		}
		f.active(t, good, true)
		close(source.asked)
		synctest.Wait()
		for range cap(answers) - 64 {
			(<-answers).fails(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		}
		for range 64 {
			if got := <-answers; got.body["active"] != false {
				t.Errorf("%d %v", got.status, got.body)
			}
		}
	})
}

// stuck is a source of keys that can be read after asked was closed.
type stuck struct {
	keys.Source
	asked chan struct{}
}

func (s *stuck) Refresh(context.Context) error {
	<-s.asked
	return nil
}
