package keys_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
)

// In a fleet that shares a file, one replica rotates in each period. It says so in one line, and
// prunes what expired. The others are quiet.
func TestRotateEvery(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var l logs
		path := create(t, kekOf(goldenKEK), keys.Generate(0))
		conf := keys.FileConfig{RotateEvery: keys.Daily, Poll: 5 * time.Minute, PollOnly: true, Logger: l.logger()}
		var fleet []*keys.File
		for range 4 {
			fleet = append(fleet, open(t, path, kekOf(goldenKEK), conf))
		}
		first := fleet[0].Ring().IssuedAt()
		const days = 10
		for n := 1; n <= days; n++ {
			// By then the day's key is made; the next is not due before the same minute of the next
			// day.
			time.Sleep(time.Until(first.Add(time.Duration(n)*(day+2*time.Minute) + time.Minute)))
			if got := l.Count("rotated the ring"); got != n {
				t.Fatalf("day %d: rotated %d times", n, got)
			}
		}
		time.Sleep(time.Hour)
		now := time.Now()
		for _, f := range fleet {
			// One seals, two open for 48 hours, and what is older was pruned at the last rotation.
			if got := f.Ring(); got.Keys()[0].ID() != fleet[0].Ring().Keys()[0].ID() || len(got.Prune(now).Keys()) > 4 {
				t.Fatalf("a replica has %v", states(got, now))
			}
		}
		if n := len(read(t, path)); n > 3000 {
			t.Errorf("the file has %d bytes after %d days", n, days)
		}
		waits := fleet[0].Ring().Keys()[0]
		if d := waits.NotBefore().Sub(waits.IssuedAt()); d != 20*time.Minute {
			t.Errorf("a key waits for %v, and replicas poll every 5 minutes", d)
		}
		if n := l.Count("level=WARN"); n != 0 {
			t.Errorf("warnings:\n%s", l.String())
		}
	})
}

func TestRotateEveryZeroIsOff(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := open(t, create(t, kekOf(goldenKEK), keys.Generate(0)), kekOf(goldenKEK), keys.FileConfig{Poll: time.Hour, PollOnly: true})
		time.Sleep(30 * day)
		if n := len(f.Ring().Keys()); n != 1 {
			t.Errorf("%d keys", n)
		}
	})
}

func TestRotateEveryIsBounded(t *testing.T) {
	path := create(t, kekOf(goldenKEK), keys.Generate(0))
	for _, c := range []keys.FileConfig{{RotateEvery: -1}, {RotateEvery: time.Hour - 1}, {RotateEvery: day, Poll: 4 * time.Hour}} {
		if _, err := keys.OpenFile(t.Context(), path, kekOf(goldenKEK), c); err == nil || !strings.Contains(err.Error(), "RotateEvery must be at least") {
			t.Errorf("every %v, poll %v: %v", c.RotateEvery, c.Poll, err)
		}
	}
}

// A place is a ring in memory, and the editor of a process that shares it.
type place struct {
	mu   sync.Mutex
	ring *keys.Ring
	errs []error // what the next edits fail with
	last error   // what every edit after that fails with
	made int     // how often the ring changed
	ask  int     // how often an edit was tried
}

func (p *place) Ring() *keys.Ring              { p.mu.Lock(); defer p.mu.Unlock(); return p.ring }
func (p *place) Refresh(context.Context) error { return nil }
func (p *place) Edit(_ context.Context, edit func(*keys.Ring) (*keys.Ring, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ask++
	if err := p.last; len(p.errs) > 0 || err != nil {
		if len(p.errs) > 0 {
			err, p.errs = p.errs[0], p.errs[1:]
		}
		return err
	}
	next, err := edit(p.ring)
	if err == nil && next != p.ring {
		p.ring = next
		p.made++
	}
	return err
}

// run runs a Rotator with that clock for some time.
func run(t *testing.T, e keys.Editor, clock func() time.Time, l *logs, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := keys.Rotator{Editor: e, Every: keys.Daily, Logger: l.logger()}
	if clock != nil {
		r.Now = func(context.Context) (time.Time, error) { return clock(), nil }
	}
	var all sync.WaitGroup
	all.Go(func() { r.Run(ctx) })
	time.Sleep(d)
	cancel()
	all.Wait()
}

// Many processes whose clocks are days ahead go by the clock of the place that keeps the ring. At no
// time do two keys wait by that clock.
func TestRotatorsAskOneClock(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		p := &place{ring: keys.Generate(0)}
		var l logs
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		server := func(context.Context) (time.Time, error) { return time.Now().Add(-5 * day), nil } // ours are ahead
		for range 20 {
			r := keys.Rotator{Editor: p, Every: keys.Daily, Now: server, Logger: l.logger()}
			all.Go(func() { r.Run(ctx) })
		}
		for range 9 * 24 {
			time.Sleep(time.Hour)
			waiting := 0
			for _, k := range p.Ring().Keys() {
				if k.NotBefore().After(time.Now().Add(-5 * day)) {
					waiting++
				}
			}
			if waiting > 1+1 { // the first key, made by our clock, and one more
				t.Fatalf("%d keys wait", waiting)
			}
		}
		cancel()
		all.Wait()
		// Six days by the server's clock, of which the first key lasted one; it was made five days
		// ahead.
		if p.made != 3 {
			t.Errorf("%d rotations", p.made)
		}
	})
}

// A clock that jumps ahead makes one key. When the clock is right again, that key waits, nothing is
// made beside it, and one warning says what to do. Then the ring is rotated every day again.
func TestClockThatJumped(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		p := &place{ring: keys.Generate(0)}
		var l logs
		time.Sleep(2 * day)
		run(t, p, func() time.Time { return time.Now().Add(100 * day) }, &l, 23*time.Hour)
		if p.made != 1 {
			t.Fatalf("a clock that is ahead rotated %d times in a day", p.made)
		}
		run(t, p, nil, &l, 10*day)
		if p.made != 1 || l.Count("level=WARN") != 1 || l.Count("wafer keys rotate --cancel") != 1 {
			t.Errorf("%d rotations, and the log says\n%s", p.made, l.String())
		}
		p.ring = cancel(p.ring, time.Now())
		run(t, p, nil, &l, 2*day)
		wantStates(t, p.ring, time.Now(), keys.Revoked, keys.Sealing, keys.Opening, keys.Opening)
	})
}

// A rotation that fails is tried again, less and less often, and the log says so once.
func TestRotationThatFails(t *testing.T) {
	disk := errors.New("no space left on device")
	bubble.Test(t, func(t *testing.T) {
		p := &place{ring: keys.Generate(0), last: disk}
		var l logs
		time.Sleep(day)
		run(t, p, nil, &l, day)
		if p.ask < 20 || p.ask > 60 {
			t.Errorf("tried %d times in a day", p.ask)
		}
		if l.Count("level=WARN") != 1 || l.Count("cannot rotate the ring; trying again") != 1 {
			t.Errorf("the log says\n%s", l.String())
		}
		p.last, p.errs = nil, []error{disk, disk}
		run(t, p, nil, &l, day)
		if p.made != 1 || l.Count("rotated the ring") != 1 {
			t.Errorf("%d rotations, and the log says\n%s", p.made, l.String())
		}
	})
}

// A process that may not write the ring says so once, however long it runs, also if another process
// rotates the ring each day.
func TestRotationOfAReadOnlyRing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		p := &place{ring: keys.Generate(0)}
		secret := &mounted{p}
		var l, ours logs
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 2 {
			r := keys.Rotator{Editor: p, Every: keys.Daily, Logger: l.logger()}
			all.Go(func() { r.Run(ctx) })
		}
		run(t, secret, nil, &ours, 20*day)
		cancel()
		all.Wait()
		if ours.Count("") != 1 || ours.Count("this process may not write the ring") != 1 || p.made < 19 || l.Count("level=WARN") != 0 {
			t.Errorf("%d rotations, and the log says\n%s", p.made, ours.String())
		}
	})
}

type mounted struct{ *place }

func (r *mounted) Edit(context.Context, func(*keys.Ring) (*keys.Ring, error)) error {
	return fmt.Errorf("%w: /var/run/secrets is on a read-only file system", keys.ErrReadOnly)
}

// So it is with a secret that Kubernetes mounts, which is a link.
func TestRotateEveryOfAKubernetesSecret(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		path := create(t, kekOf(goldenKEK), keys.Generate(0))
		link := filepath.Join(t.TempDir(), "ring.jwe")
		if err := os.Symlink(path, link); err != nil {
			t.Skip(err)
		}
		var l logs
		f := open(t, link, kekOf(goldenKEK), keys.FileConfig{RotateEvery: keys.Daily, Poll: time.Minute, PollOnly: true, Logger: l.logger()})
		time.Sleep(5 * day)
		if l.Count("level=WARN") != 1 || l.Count("this process may not write the ring") != 1 || len(f.Ring().Keys()) != 1 {
			t.Errorf("%v, and the log says\n%s", f.Ring(), l.String())
		}
	})
}

// Close ends a rotation that is under way.
func TestCloseEndsTheRotator(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		path := create(t, kekOf(goldenKEK), keys.Generate(0))
		f := open(t, path, kekOf(goldenKEK), keys.FileConfig{RotateEvery: keys.Daily, Poll: time.Hour, PollOnly: true})
		f.Close()
		time.Sleep(10 * day)
		synctest.Wait()
		if n := len(f.Ring().Keys()); n != 1 {
			t.Errorf("%d keys after Close", n)
		}
	})
}

// A ring that is full takes no key, so the Rotator prunes before it rotates.
func TestRotateEveryOfAFullRing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var l logs
		r := keys.Generate(0)
		for err := error(nil); err == nil; time.Sleep(time.Second) {
			var next *keys.Ring
			if next, err = r.Rotate(time.Now(), keys.Rotation{Immediate: true}); err == nil {
				r = next
			}
		}
		path := create(t, kekOf(goldenKEK), r)
		time.Sleep(4 * day)
		f := open(t, path, kekOf(goldenKEK), keys.FileConfig{RotateEvery: keys.Daily, PollOnly: true, Logger: l.logger()})
		time.Sleep(time.Hour)
		if n := l.Count("rotated the ring"); n != 1 || len(f.Ring().Keys()) != 2 {
			t.Errorf("rotated %d times, to %d keys:\n%s", n, len(f.Ring().Keys()), l.String())
		}
	})
}
