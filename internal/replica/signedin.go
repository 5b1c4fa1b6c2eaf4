package replica

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// The replicas of a list estimate together how many are signed in. Each adds the tags of the sessions
// that it accepts to sketches of the present 5 minutes. Once a minute it reads the sketches in the
// store, adds them to its own, and writes back a sketch that lacked something. So the store holds one
// pair of sketches for each interval, however many replicas there are, and every replica knows the
// number. If two write at once, the one that was overwritten finds out a minute later.

const countEvery = time.Minute

// A census is what a replica knows of how many are signed in.
type census struct {
	// live takes what is accepted now. It is nil until the first session is accepted. The reader
	// replaces it.
	live atomic.Pointer[seen]
	// estimate is nil until this replica has counted.
	estimate atomic.Pointer[revlog.SignedIn]
	// Everything below is owned by reading. active are the last two intervals of 5 minutes. whole
	// covers the longest idle limit, and is the same as active if that is enough.
	active, whole *series
	next          time.Time // when to count again
	heard         time.Time // when the store last told what the others counted
}

// saw counts the session that q describes, which was just accepted. It takes no lock, and allocates
// nothing but the first time. Without a store q has no tag.
func (c *census) saw(q *Query) {
	if !q.tagged || !q.listed() {
		return
	}
	s := c.live.Load()
	if s == nil {
		c.live.CompareAndSwap(nil, &seen{number: intervalAt(time.Now(), shortest)})
		s = c.live.Load()
	}
	s.sessions.Add((*[16]byte)(&q.tag))
	if q.Subject != (revlog.Tag{}) {
		s.subjects.Add((*[16]byte)(&q.Subject))
	}
}

// count takes part in the count: it lets live follow the clock, and once a minute shares what this
// replica saw. The caller holds reading.
func (l *Replica) count(ctx context.Context, now time.Time) {
	c := &l.census
	live := c.live.Load()
	if live == nil {
		return // a program that serves nobody, such as a command
	}
	if c.active == nil {
		c.active, c.whole = seriesOf(l.MaxIdle())
		c.active.kept[live.number] = live
	}
	if present := intervalAt(now, shortest); live.number != present {
		c.live.Store(c.active.at(present))
	}
	if now.Before(c.next) {
		return
	}
	c.next = now.Add(countEvery)
	if c.whole != c.active { // first, because an outage may have lasted longer than active reaches
		for _, s := range c.active.kept {
			c.whole.at(s.number * int64(shortest) / int64(c.whole.width)).merge(s)
		}
	}
	c.active.forget(now)
	c.whole.forget(now)
	if err := l.shareSeen(ctx, now); err == nil {
		c.heard = now
	} else if ctx.Err() == nil {
		l.log.Debug("revocation: count who is signed in", "error", err)
	}
	c.estimate.Store(c.estimated(now))
}

func (c *census) estimated(now time.Time) *revlog.SignedIn {
	whole, active := c.whole.union(now, c.whole.past), c.active.union(now, 1)
	return &revlog.SignedIn{
		Sessions: whole.sessions.Estimate(), Subjects: whole.subjects.Estimate(),
		Window:         c.whole.width * time.Duration(c.whole.past),
		ActiveSessions: active.sessions.Estimate(), ActiveSubjects: active.subjects.Estimate(),
		At: c.heard,
	}
}

// shareSeen reads what the others saw, and writes what they lack. It bounds the time for both.
func (l *Replica) shareSeen(ctx context.Context, now time.Time) error {
	store, ok := l.store.(revlog.Sketcher)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.Within()/4)
	defer cancel()
	all := []*series{l.census.active}
	if l.census.whole != l.census.active {
		all = append(all, l.census.whole)
	}
	for _, s := range all {
		if err := l.shareSeries(ctx, store, s, now); err != nil {
			return err
		}
	}
	return nil
}

func (l *Replica) shareSeries(ctx context.Context, store revlog.Sketcher, s *series, now time.Time) error {
	last := intervalAt(now, s.width)
	var numbers []int64
	var names []string
	for number := last - s.past; number <= last; number++ {
		if !s.final[number] {
			numbers, names = append(numbers, number), append(names, s.name(number))
		}
	}
	values, err := store.Sketches(ctx, names)
	if err != nil {
		return err
	}
	if len(values) != len(names) {
		return fmt.Errorf("revocation: the store returned %d sketches for %d names", len(values), len(names))
	}
	for i, number := range numbers {
		others := l.parsed(values[i])
		if others != nil {
			s.at(number).merge(others)
		}
		if number < last-1 { // every replica has had the time of an interval to write its part
			s.final[number] = true
			continue
		}
		if values[i] == nil && s.kept[number] == nil {
			continue
		}
		own := s.at(number)
		if others != nil && !others.merge(own) {
			continue
		}
		if err := store.KeepSketch(ctx, names[i], own.encode(), s.width*time.Duration(s.past+2)); err != nil {
			return err
		}
	}
	return nil
}

// parsed returns what the others saw in an interval, nil if the store has nothing or no sketch. In the
// second case, this replica writes its own in its place.
func (l *Replica) parsed(value []byte) *seen {
	if value == nil {
		return nil
	}
	s, err := parseSeen(value)
	if err != nil {
		l.counters.anomalies.add("sketch")
		l.seldom(slog.LevelWarn, "revocation: ignored what the store has about how many are signed in, which is malformed", "store", l.where())
		return nil
	}
	return s
}

// SignedIn is revocation.List.SignedIn.
func (l *Replica) SignedIn(ctx context.Context) (revlog.SignedIn, error) {
	if l.store == nil {
		return revlog.SignedIn{}, ErrDisabled
	}
	best := l.Stats().SignedIn
	all, err := l.Replicas(ctx)
	for _, r := range all {
		// Each knows a part of what all saw, so of equal windows the highest is the best.
		if s := r.SignedIn; !s.At.IsZero() && (s.Window > best.Window || s.Window == best.Window && s.Sessions > best.Sessions) {
			best = s
		}
	}
	return best, err
}
