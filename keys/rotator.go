package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/lograte"
)

const (
	shortestEvery = time.Hour
	lookEvery     = time.Minute // between looks of a Rotator at the age of the newest key
	longestPause  = time.Hour   // after a rotation that failed
	rotateFor     = 30 * time.Second
)

// A Rotator rotates a ring by a timer, as RotateEvery of [FileConfig] and of rediskeys.Config does.
// It is for sources of other kinds. Run one in every process that shares the ring: one of them makes
// the new key, and the others see it and do nothing.
//
// The new key waits for 10 minutes, or four times Poll if that is longer, so that every process has
// it before it seals. With the new key, expired keys are pruned, unless the meter of the source
// says that a session may still need one. A key that is half spent (see [Meter.Tired]) is replaced
// early.
type Rotator struct {
	// Editor is the source whose ring is rotated. Required.
	Editor Editor
	// Every is how old the newest key is when the ring is rotated: [Daily], or at least an hour and
	// eight times Poll. Required.
	Every time.Duration
	// Poll is how often a process looks for changes of the ring. Zero: 5 s.
	Poll time.Duration
	// Now returns the time. Where the processes run on different machines, let it be the clock of
	// the place that keeps the ring. Zero: the clock of this machine.
	Now func(context.Context) (time.Time, error)
	// Logger receives a line when this process rotates, and one when it cannot. Zero:
	// [slog.Default].
	Logger *slog.Logger

	told string // the kind of failure that was logged last; "": none since an edit succeeded
}

// Check reports what is wrong with the settings.
func (r *Rotator) Check() error {
	if least := max(shortestEvery, 8*r.Poll); r.Every < least {
		return fmt.Errorf("keys: RotateEvery must be at least %v, which is an hour and eight times Poll; zero turns it off", least)
	}
	return nil
}

// Run rotates until ctx ends. Its processes look at their rings at moments of their own, about once
// a minute, so that not all of them try at once. A rotation that fails is tried again, less and less
// often, and logged once. So is one that a clock which is ahead thinks due, but it is not logged.
func (r *Rotator) Run(ctx context.Context) {
	if r.Poll == 0 {
		r.Poll = defaultPoll
	}
	if r.Logger == nil {
		r.Logger = slog.Default()
	}
	look := min(lookEvery, 12*r.Poll)
	pause := rand.N(look)
	for failed := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		err := r.try(ctx)
		if ctx.Err() != nil {
			return
		}
		r.tell(err)
		if err == nil { // also if it was not time to
			failed = 0
		} else {
			failed = min(look+2*failed, longestPause)
		}
		pause = around(max(look, failed))
	}
}

// around returns a random duration between half of d and one and a half.
func around(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// try rotates if it is time to.
func (r *Rotator) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(audit.With(ctx, audit.By{Actor: "RotateEvery", Reason: "it was time to"}), rotateFor)
	defer cancel()
	// Asking costs something where the clock is elsewhere, so our own clock is looked at first.
	known := r.Editor.Ring()
	if next, err := r.next(known, time.Now()); err == nil && next == known {
		return nil
	}
	now := time.Now()
	if r.Now != nil {
		var err error
		if now, err = r.Now(ctx); err != nil {
			return err
		}
	}
	var was, is *Ring
	err := r.Editor.Edit(ctx, func(ring *Ring) (next *Ring, err error) {
		was = ring
		is, err = r.next(ring, now)
		return is, err
	})
	if err != nil {
		return err
	}
	r.told = ""
	if is == was {
		return errEarly
	}
	r.log(was, is)
	return nil
}

// errEarly: it was time by our own clock, and it is not by the clock that counts, or another process
// has rotated already.
var errEarly = errors.New("keys: not yet time to rotate")

func (r *Rotator) log(was, is *Ring) {
	for _, k := range is.keys {
		if _, old := was.Key(k.id); !old {
			r.Logger.Info("keys: rotated the ring, because it was time to", "ring", is.id, "key", k.id, "seals_from", k.NotBefore())
		}
	}
}

// tell logs a failure, unless it was logged last.
func (r *Rotator) tell(err error) {
	kind := lograte.Kind(err)
	if err == nil || err == errEarly || r.told == kind {
		return
	}
	r.told = kind
	text := "keys: cannot rotate the ring; trying again"
	switch {
	case errors.Is(err, ErrReadOnly):
		text = "keys: RotateEvery is set, but this process may not write the ring; rotate it where it is written (wafer keys rotate --if-older-than), or set RotateEvery to zero"
	case errors.Is(err, errFarOff):
		text = "keys: the ring is not rotated until then; if the key was made by a wrong clock, cancel it (wafer keys rotate --cancel)"
	}
	r.Logger.Warn(text, "ring", r.Editor.Ring().id, "error", err)
}

var errFarOff = errors.New("keys: a new key waits for longer than RotateEvery")

// next returns the ring rotated and pruned, or the ring itself if it is not time to.
func (r *Rotator) next(ring *Ring, now time.Time) (*Ring, error) {
	meter, every := MeterFor(r.Editor), r.Every
	if k, ok := ring.Sealing(now); ok && meter.Tired(k.id) {
		every = 1
	}
	pruned := r.pruned(ring, now) // before rotating: a full ring takes no key
	next, err := pruned.RotateIfOlder(now, every, Rotation{After: max(defaultAfter, 4*r.Poll)})
	switch k, waits := ring.waiting(now); {
	case err != nil:
		return nil, err
	case next == pruned && waits && k.NotBefore().Sub(now) > r.Every:
		return nil, fmt.Errorf("%w: until %s", errFarOff, k.NotBefore().Format(time.RFC3339))
	case next == pruned:
		return ring, nil
	}
	return next, nil
}

// pruned returns the ring without expired keys, or the ring itself if a session may still need one.
func (r *Rotator) pruned(ring *Ring, now time.Time) *Ring {
	meter, pruned := MeterFor(r.Editor), ring.Prune(now)
	for _, k := range ring.keys[len(pruned.keys):] {
		if Needed(ring, k, meter.Use(k.id)).After(now) {
			return ring
		}
	}
	return pruned
}
