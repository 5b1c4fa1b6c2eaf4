package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrShorter means that a ring is made for longer sessions already. Sessions that it
// sealed may be as long, so there is no way back.
var ErrShorter = errors.New("keys: the ring is made for longer sessions")

// Extend returns the ring made for sessions that live at most maxSession, rounded up
// to the second. Sessions live on, and what their keys open does not change, but for
// the key that seals now and any that is waiting: they may seal longer sessions, and
// open for as much longer. Less than [Ring.MaxSession] is [ErrShorter]; if it is the
// same, so is the ring.
//
// Give every replica the new ring before you configure longer sessions.
func (r *Ring) Extend(now time.Time, maxSession time.Duration) (*Ring, error) {
	if err := checkMaxSession(maxSession); err != nil {
		return nil, err
	}
	longest := wholeSeconds(maxSession)
	switch {
	case longest < r.maxSession:
		return nil, fmt.Errorf("%w: of %v", ErrShorter, r.MaxSession())
	case longest == r.maxSession:
		return r, nil
	}
	extended := newRing(r.identity, longest, r.fit(now, longest))
	return newRing(r.identity, longest, extended.settled()), nil
}

// ahead is how far the clock of the machine that made a key may be ahead of ours.
const ahead = 60 // s

// fit returns the keys with those that may seal now made for sessions of that length,
// and the ends of the others written down.
func (r *Ring) fit(now time.Time, longest int64) []Key {
	keys := slices.Clone(r.keys)
	for i := range keys {
		// A key that another one took over from seals nothing more, except on a
		// machine whose clock is behind. What it sealed was no longer than before.
		if keys[i].max < longest && (i == 0 || keys[i-1].nbf+ahead > now.Unix()) {
			keys[i].max, keys[i].exp = longest, 0
		} else {
			keys[i].exp = keys[i].end
		}
	}
	return keys
}

func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
