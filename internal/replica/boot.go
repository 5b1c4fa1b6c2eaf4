package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// start boots the replica, and tries again until it succeeds or ctx ends. With
// StartWithoutStore it tries once.
func (l *Replica) start(ctx context.Context) error {
	for {
		err := l.boot(ctx, time.Now())
		switch {
		case err == nil:
			l.joined()
			return nil
		case errors.Is(err, revlog.ErrWrongKey), errors.Is(err, revlog.ErrLayout):
			return err
		case ctx.Err() == nil || l.told.waitsFor == nil:
			l.told.waitsFor = err // what ctx itself brings about explains nothing
		}
		l.waits()
		if l.config.StartWithoutStore {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("revocation: open: %s did not answer for %v: %w (%w)", l.where(),
				time.Since(l.clock.begun).Round(time.Millisecond), l.told.waitsFor, ctx.Err())
		case <-time.After(readEvery):
		}
	}
}

// startLate is a read cycle of a replica that was opened without its store: it tries to
// boot.
func (l *Replica) startLate(ctx context.Context) {
	err := l.boot(ctx, time.Now())
	switch {
	case err == nil:
		l.joined()
	case errors.Is(err, revlog.ErrWrongKey), errors.Is(err, revlog.ErrLayout):
		l.seldom(slog.LevelError, "revocation: this process does not get ready: the list cannot be joined", "store", l.where(), "error", err)
	case ctx.Err() == nil:
		l.told.waitsFor = err
		l.waits()
	}
}

// waits logs what the replica waits for, at once and then once a minute.
func (l *Replica) waits() {
	l.seldom(slog.LevelWarn, "revocation: waiting for the store, to join the list",
		"store", l.where(), "waited", time.Since(l.clock.begun).Round(time.Millisecond), "error", l.told.waitsFor)
}

func (l *Replica) joined() {
	if l.told.waitsFor != nil {
		l.log.Info("revocation: the list is joined", "store", l.where(), "waited", time.Since(l.clock.begun).Round(time.Millisecond))
		l.told.waitsFor = nil
	}
}

// where names the store to people.
func (l *Replica) where() string {
	if s, ok := l.store.(interface{ Where() string }); ok {
		return s.Where()
	}
	return "the store"
}

// bootFor is how long after its start a boot goes on reading recent entries. Then the
// replica is ready.
const bootFor = time.Second

// boot joins or creates the list and reads the end of its log. Then it reads recent entries
// until a second has passed since now, which is when boot was called (R15).
func (l *Replica) boot(ctx context.Context, now time.Time) error {
	l.reading.Lock()
	defer l.reading.Unlock()
	head, _, err := l.create(ctx, l.clock.highest())
	if err != nil {
		return err
	}
	if err := l.keepRetain(ctx, head); err != nil { // before the first seal
		return err
	}
	// Before it reads, so that no call of the roll misses a replica that has a view (R34).
	l.enlist(ctx, now, registerKeep)
	v, before, err := l.begin(ctx, head, head.MS-2*l.Within().Milliseconds(), now)
	if err != nil {
		return err
	}
	l.filler = l.nextFiller(v, before)
	if l.filler != nil && l.filler.near > 0 {
		v = l.fillBehind(ctx, v, now.Add(bootFor))
	}
	v.globalsAsk = v.globals.ask()
	l.view.Store(v)
	l.register(ctx, time.Now())
	return nil
}

// create creates a list that starts at log time floor at the earliest, or returns the head
// of the one that there is. ours says which of the two it did.
func (l *Replica) create(ctx context.Context, floor int64) (_ revlog.Head, ours bool, _ error) {
	var f revlog.CreateOptions
	rand.Read(f.ID[:]) // never fails
	f.Check, f.Floor, f.Retain = l.tags.check, floor, l.config.retain()
	ctx, cancel := context.WithTimeout(ctx, l.Within()/4)
	defer cancel()
	head, err := l.store.Create(ctx, f)
	switch {
	case err != nil:
		return revlog.Head{}, false, err
	case head.Layout != revlog.Layout:
		return revlog.Head{}, false, fmt.Errorf("%w: %d", revlog.ErrLayout, head.Layout)
	case head.Check != l.tags.check:
		return revlog.Head{}, false, revlog.ErrWrongKey
	}
	return head, head.ID == f.ID, nil
}

// A joining is a view that is not complete yet, with what was read of the log so far. It is
// kept between attempts, so that a failed one loses one page and not all of them.
type joining struct {
	from   int64 // log time that was asked for
	v      *view
	read   bool  // the first page was read
	before int64 // number of the last entry before the view
	forged error // errForged, if global entries are missing
}

// begin reads the log from the log time from to its end. It returns a view of that and the
// number of the last entry before it. now is when the reading began. If it fails, the next
// call for the same list continues where this one stopped. If the log is inconsistent, the
// view begins at the end of the log. With errForged, the view lacks global entries.
func (l *Replica) begin(ctx context.Context, head revlog.Head, from int64, now time.Time) (_ *view, before int64, _ error) {
	j := l.joining
	if j == nil || j.v.head.ID != head.ID || j.from > from {
		j = &joining{from: from, v: &view{head: head, now: &window{watermarks: newWatermarks(watermarkLimit)}, m: revlog.Position{MS: max(from, 0)}, last: revlog.Position{N: -1}}}
		l.joining = j
	}
	for {
		p, err := l.fetchFor(ctx, l.Within(), revlog.Cursor{List: head.ID, From: j.v.cursor(), Globals: !j.read || j.v.lacksGlobals})
		if errors.Is(err, revlog.ErrLost) || errors.Is(err, revlog.ErrOtherList) {
			l.joining = nil
		}
		if err != nil {
			return nil, 0, err
		}
		switch {
		case !j.read:
			var globals []revlog.Entry
			globals, j.forged = l.globals(p)
			j.first(p, globals)
		case j.v.lacksGlobals:
			if j.v = l.withGlobals(j.v, p); j.v.lacksGlobals {
				j.forged = errForged
			}
		}
		entries, err := j.v.follow(p)
		switch {
		case errors.Is(err, errBroken) && !j.v.adrift:
			j.v = l.leave(j.v, p.Head)
			j.before = j.v.last.N
			continue
		case err != nil:
			l.joining = nil
			return nil, 0, err
		}
		j.v = l.advance(j.v, p, entries, now)
		l.identity.called = rollOf(p)
		if !p.More {
			l.joining = nil
			return j.v, j.before, j.forged
		}
	}
}

// first lets the view begin with the first page and its global entries.
func (j *joining) first(p revlog.Page, globals []revlog.Entry) {
	j.read = true
	v := j.v
	start := v.m.MS - 1 // every entry at or after from is there
	if len(p.Entries) > 0 {
		v.last.N = p.Entries[0].Position.N - 1
	} else {
		v.last.N, v.chain = p.Head.N, p.Head.Chain
	}
	j.before = v.last.N
	trimmed := true
	switch {
	case p.Oldest.N > 1 && p.Oldest.MS > start:
		start = p.Oldest.MS
	case p.Oldest.N == 0 && p.Head.N > 0: // all of it was trimmed
		start = p.Head.MS
	default:
		trimmed = false
	}
	v.now.gap, v.lacksGlobals = trimmed, trimmed && j.forged != nil
	v.now.from = max(start, p.Head.Born)
	v.now.began, v.now.recentFrom = v.now.from, v.now.from
	v.globals = v.globals.with(globals, 0)
}
