package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrShorter means that the ring already allows longer sessions. Sessions it sealed may be that
// long, so the limit cannot be lowered.
var ErrShorter = errors.New("keys: the ring already allows longer sessions")

// Extend returns the ring with sessions allowed to live as long as maxSession, rounded up to the
// second. Sessions live on. Only the key that seals now and keys that are waiting change: they may
// seal longer sessions, and open for as much longer. If maxSession is less than [Ring.MaxSession],
// the error is [ErrShorter]. If it is the same, Extend returns r itself.
//
// Give every replica the new ring before you configure longer sessions.
func (r *Ring) Extend(now time.Time, maxSession time.Duration) (*Ring, error) {
	if err := checkMaxSession(maxSession); err != nil {
		return nil, err
	}
	longest := wholeSeconds(maxSession)
	switch {
	case longest < r.maxSession:
		return nil, fmt.Errorf("%w: up to %v", ErrShorter, r.MaxSession())
	case longest == r.maxSession:
		return r, nil
	}
	return newRing(r.identity, longest, r.fit(now, longest)), nil
}

// ahead is how far the clock of the machine that made a key may be ahead of ours, in seconds.
const ahead = 60

// fit returns the keys, with those that may seal now extended to sessions of that length.
func (r *Ring) fit(now time.Time, longest int64) []Key {
	keys := slices.Clone(r.keys)
	for i := range keys {
		k := &keys[i]
		if k.max < longest {
			k.max, k.exp = longest, 0
		}
		// A key that another key took over from seals nothing more, except on a machine whose clock
		// is behind. The sessions it sealed were no longer than before.
		if !k.cancelled() && k.nbf+ahead <= now.Unix() {
			break // the older ones
		}
	}
	return keys
}

func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
