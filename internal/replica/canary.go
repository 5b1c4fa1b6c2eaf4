package replica

import (
	"context"
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	canaryEvery = 10 * time.Second
	// A replica that did not write the last canary leaves the next one to the replica that
	// did, for this long and up to canarySpread more.
	canaryPatience = 3 * time.Second
	canarySpread   = 4 * time.Second
)

// canaries measures how long a revocation takes. One replica at a time revokes a subject
// that nobody has, and every replica notes when it refuses that subject (R33). The reader
// owns it, except the histogram.
type canaries struct {
	// time from when the store took a canary until this replica refused it.
	enforced histogram.Histogram

	list  revlog.ListID
	key   revlog.Key // of list, so that a read cycle computes no MAC
	wrote int64      // watermark of the last canary that this replica wrote
	slot  int64      // watermark of the next canary, for which due was chosen
	due   int64      // log time at which this replica writes it, if nobody else has
	// looked is when the last read was sent that reached the end of the log. The log got all
	// that the next read finds after it. It is zero if the next read may find older entries.
	looked time.Time
}

// canaryOf names the subject of the canaries of a list. A new list has another one, so a
// canary from an impossible log time is not in the way of later ones (R27).
func (t *tagger) canaryOf(list revlog.ListID) revlog.Key {
	return revlog.Key{Scope: revlog.ScopeSubject, Tag: t.of('c', string(list[:]))}
}

// canary returns the subject of the canaries of a list.
func (l *Replica) canary(list revlog.ListID) revlog.Key {
	c := &l.canaries
	if c.list != list {
		c.list, c.key = list, l.tags.canaryOf(list)
	}
	return c.key
}

// sing writes the canary that is due, if this replica is the one to do so. The watermark of
// a canary is a multiple of canaryEvery in log time. If several replicas write the same one,
// the store takes the first and the others change nothing (R6). The replica that wrote the
// last canary goes first. If the next one is late, any other replica writes it.
func (l *Replica) sing(ctx context.Context, now time.Time) {
	v := l.view.Load()
	if l.config.NoCanary || l.config.Observer || !l.fresh(now) {
		return
	}
	c, k := &l.canaries, l.canary(v.head.ID)
	at := v.logTime(now, l.Within())
	slot := at - at%canaryEvery.Milliseconds()
	last := v.now.watermarks.of(k)
	if last >= slot {
		return
	}
	if c.slot != slot {
		c.slot, c.due = slot, at
		if last != c.wrote || last == 0 {
			c.due += l.patience()
		}
	}
	if at < c.due {
		return
	}
	c.due = at + l.patience() // if this attempt fails
	a := revlog.Assertion{
		Scope: k.Scope, Tag: k.Tag, W: slot, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Params: revlog.CanaryParams, Limit: slot,
	}
	w, err := l.write(ctx, revlog.Append{List: v.head.ID, Floor: l.clock.highest(), Assertions: []revlog.Assertion{l.signed(a)}}, 0)
	switch {
	case err != nil && ctx.Err() == nil:
		l.seldom(slog.LevelWarn, "revocation: the store does not take the canary that measures how soon revocations take effect", "store", l.where(), "error", err)
	case err == nil && w.Results[0].Changed:
		c.wrote = slot
	}
}

// patience returns how long this replica leaves a canary to others, in ms.
func (l *Replica) patience() int64 {
	return canaryPatience.Milliseconds() + int64(l.randomN(int(canarySpread.Milliseconds())))
}

// heeds notes how long the canaries among entries took. The view that was just published
// has them, and p is the page that brought them.
func (l *Replica) heeds(v *view, p revlog.Page, entries []revlog.Entry) {
	for _, e := range entries {
		if !e.Canary() {
			continue
		}
		k := l.canary(v.head.ID)
		if e.Key() != k || l.check(e) != genuine {
			continue
		}
		now := time.Now()
		q := Query{Subject: k.Tag, Epoch: e.W, Checked: e.Position.MS - 1, Term: v.checked().term}
		if d := l.decide(&q, now); d.Outcome != Refuse {
			l.counters.anomalies.add("canary")
			l.seldom(slog.LevelError, "revocation: this replica has read the canary and does not refuse it: please report this", "position", e.Position.String())
			continue
		}
		if d, ok := l.canaries.took(e, v.got, p, now); ok {
			l.canaries.enforced.Observe(d)
		}
	}
}

// took returns the time from when the store took e until now, or a little more. The entry
// came with p, which arrived at got. The store's clock is whole milliseconds, so one is added.
// That clock is only believed between two times of this process alone: e is older than the
// answer that it came with, and younger than the last read that did not find it. Otherwise,
// and if log time is ahead of that clock, the time since that read counts. It is too long,
// and never too short.
func (c *canaries) took(e revlog.Entry, got time.Time, p revlog.Page, now time.Time) (_ time.Duration, ok bool) {
	least := since(got, now)
	d := milliseconds(p.Clock+1-e.Position.MS) + least
	known := p.Clock > 0 && p.Head.MS <= p.Clock && d >= least
	if !c.looked.IsZero() {
		if most := since(c.looked, now); !known || d > most {
			return most, true
		}
	}
	return d, known
}
