package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// believed is how far ahead of this process's wall clock log time may be. A time beyond
// that is a mistake, and the replica does not pass it on: it would survive in every new
// list (R27).
const believed = 24 * time.Hour

// A logClock holds what a replica has heard of log time.
type logClock struct {
	begun time.Time

	mu   sync.Mutex // owns all below
	seen int64      // the highest log time heard of; every write passes it on (R3)
	at   time.Time  // when that was heard last
}

// heard notes a log time from the store, and reports whether it can be right. moving says
// that the store still makes heartbeats, so that ms is log time now. Then present stops
// with log time while that is ahead of the store's clock.
func (c *logClock) heard(ms int64, moving bool) bool {
	now := time.Now()
	if !plausible(ms, now) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if ms > c.seen || ms == c.seen && moving {
		c.seen, c.at = ms, now
	}
	return true
}

func plausible(ms int64, now time.Time) bool { return ms <= now.Add(believed).UnixMilli() }

func (c *logClock) highest() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// present is the estimated log time: what log time must be by now, however long this
// replica was cut off. A revocation passes it on. A primary that lost its newest entries,
// or whose clock was set back, may be behind what other replicas have seen, and a watermark
// from there would miss sessions that began before it (R3, R5).
func (c *logClock) present(now time.Time) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == 0 {
		return 0
	}
	return c.seen + max(now.Sub(c.at), 0).Milliseconds()
}

// since is the time from then to now. The time that a machine was suspended shows only in
// the wall clock, and setting the wall clock back hides time from it. So the larger of both
// clocks counts.
func since(then, now time.Time) time.Duration {
	return max(now.Sub(then), time.Duration(now.UnixNano()-then.UnixNano()))
}

// milliseconds returns ms as a duration, limited to 280 years.
func milliseconds(ms int64) time.Duration {
	return time.Duration(min(ms, 280*365*24*time.Hour.Milliseconds())) * time.Millisecond
}

// age is how old v is at now.
func (v *view) age(now time.Time) time.Duration { return since(v.sent, now) }

// window is how far back the window reaches.
func (v *view) window() time.Duration { return milliseconds(v.m.MS - v.now.from) }

func (l *Replica) fresh(now time.Time) bool { return l.view.Load().age(now) <= l.Within() }

// logTime is M plus the monotonic time since the answer that M is from, at most S. Counted
// from the time when the read was sent, it would run ahead of the store.
func (v *view) logTime(now time.Time, within time.Duration) int64 {
	return v.m.MS + min(max(now.Sub(v.got), 0), within).Milliseconds()
}

// logTime is what this replica knows of log time at now. It is never ahead of the store,
// and behind it by at most the age of the view.
func (l *Replica) logTime(now time.Time) int64 {
	v := l.view.Load()
	if v == nil {
		return l.clock.highest()
	}
	return max(v.logTime(now, l.Within()), l.clock.highest())
}

// LogTime returns the estimated log time, in ms. It advances while the store is silent,
// unlike the times that tokens get from [Replica.Begin] and [Replica.Anonymous]. As far as
// clocks run alike, it is not before any time that another replica has read. Before the
// first read it is the clock of this process.
func (l *Replica) LogTime() int64 {
	now := time.Now()
	if l.store == nil || l.view.Load() == nil {
		return now.UnixMilli()
	}
	if at := l.clock.present(now); at > 0 {
		return at + 1 // it was heard in whole ms
	}
	return now.UnixMilli() // nothing that the store says of the time can be right
}

// aheadOfClock returns how far log time ms is ahead of now, or negative if behind, and logs
// it. It returns 0 if they differ by at most S. If they differ by more, a moment that a
// caller took from a clock means another moment in the list.
func (l *Replica) aheadOfClock(ms int64, now time.Time) time.Duration {
	ahead := milliseconds(ms - now.UnixMilli())
	if ahead.Abs() <= l.Within() {
		return 0
	}
	l.seldom(slog.LevelWarn, "revocation: log time, which \"before\" is compared with, is not what the clock of this machine says",
		"store", l.where(), "ahead", ahead)
	return ahead
}

// future returns the error for a caller that revokes up to a moment past log time.
func (l *Replica) future() error {
	return fmt.Errorf("%w: log time is %s", revlog.ErrFuture, time.UnixMilli(l.LogTime()).UTC().Format(time.RFC3339))
}

// Now returns the present moment for [Login.Since], or 0 if l is disabled. It asks the
// store. So every revocation that was acknowledged before the call, at any replica, lies
// before it, and every revocation made after it has returned lies after it. If the store
// does not answer, Now returns what this replica knows, and a login may be refused for a
// revocation from a moment before.
func (l *Replica) Now(ctx context.Context) int64 {
	if l.store == nil {
		return 0
	}
	v := l.view.Load()
	known := l.clock.highest() // it may be ahead of the store's clock, and so advance more slowly than ours
	if v != nil {
		known = max(known, v.m.MS)
	}
	if known == 0 {
		return 1 // booting: before anything that was ever revoked
	}
	now, err := l.askTime(ctx)
	if err != nil {
		now = known - 1 // more may still be revoked in this ms; only an answer of the store comes before all that follows
	}
	return now + l.Within().Milliseconds()
}

// askTime asks the store for its log time. Concurrent callers share an answer, but never
// one to a question that was sent before they called.
func (l *Replica) askTime(ctx context.Context) (int64, error) {
	v := l.view.Load()
	if v == nil {
		return 0, ErrNotReady
	}
	for second := false; ; second = true {
		if l.knownSilent(v) {
			return 0, errSilent
		}
		mine := false
		flight := l.flights.DoChan("log time", func() (any, error) {
			mine = true
			a, err := l.put(context.WithoutCancel(ctx), revlog.Question{List: v.head.ID, Skew: l.Within()})
			if errors.Is(err, errForged) { // which says nothing against its log time
				err = nil
			}
			if err != nil {
				l.silent.Store(true)
			}
			return a.Head.MS, err
		})
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case r := <-flight:
			if r.Err != nil || mine || second {
				return r.Val.(int64), r.Err
			}
		}
	}
}

// knownSilent reports whether there is no point in asking the store: it was just found
// silent, and the reader has not heard from it since.
func (l *Replica) knownSilent(v *view) bool {
	return l.silent.Load() && v.age(time.Now()) > l.Within()
}

// leapFrom is how much further log time must advance between two reads than the time that
// passed here, to count as a leap.
const leapFrom = 10 * time.Minute

// A leap is a jump of log time that no passing of time explains: the store's clock was set,
// or a server with another clock became the primary. Sessions that were checked before a
// leap do not age by it (R27).
type leap struct {
	from int64 // log time before it, ms
	by   int64 // ms
}

// leapt returns the leaps of v, with the one that brings v to log time ms, if that is one.
// It leaves out leaps so old that all sessions checked before them have expired. As for
// age, the larger of both clocks counts.
func (l *Replica) leapt(v *view, ms int64) []leap {
	all := v.leaps
	if by := v.leapTo(ms); by > 0 {
		all = append(slices.Clone(all), leap{v.head.MS, by})
		l.counters.anomalies.add("clock")
		l.seldom(slog.LevelError, "revocation: the store's clock jumped ahead: sessions that this process knows do not age by it",
			"store", l.where(), "by", milliseconds(by))
	}
	for len(all) > 0 && ms-all[0].from-leapsAfter(all, all[0].from) > v.head.Retain().Milliseconds() {
		all = all[1:]
	}
	return all
}

// leapsAfter sums up the leaps since log time ms.
func leapsAfter(all []leap, ms int64) (sum int64) {
	for _, l := range all {
		if l.from >= ms {
			sum += l.by
		}
	}
	return sum
}

// leapTo returns the leap that brings v to log time ms now, 0 if it is none.
func (v *view) leapTo(ms int64) int64 {
	by := ms - v.head.MS - since(v.sent, time.Now()).Milliseconds()
	if v.sent.IsZero() || by <= leapFrom.Milliseconds() {
		return 0
	}
	return by
}

// memory is how far back from its newest position v must know everything: the retention
// plus all leaps.
func (v *view) memory() time.Duration {
	return v.head.Retain() + milliseconds(leapsAfter(v.leaps, 0))
}

// expired reports whether q was last checked longer ago than the retention, by log time and
// without leaps, whatever its exp says.
func (v *view) expired(q *Query) bool {
	return v.m.MS-q.Checked-leapsAfter(v.leaps, q.Checked) > v.retainAt(q.Checked).Milliseconds()
}

// retainAt returns how long the list kept what could have ended a session that was last
// checked at chk.
func (v *view) retainAt(chk int64) time.Duration {
	kept, born := v.head.RetainAt(chk), v.head.Born
	for _, h := range v.past {
		if chk >= born {
			break
		}
		kept, born = min(kept, h.RetainAt(chk)), h.Born
	}
	return kept
}

// forgotten reports whether the store, at log time ms, may have forgotten what ended a
// session last checked at chk. The store forgets by its own clock, so a leap counts. A "not
// revoked" then means nothing.
func forgotten(chk int64, h revlog.Head, ms int64) bool {
	return ms-chk > (h.RetainAt(chk) + revlog.ForgetLate).Milliseconds()
}

// incredible counts and logs a log time that cannot be right.
func (l *Replica) incredible(ms int64) {
	l.counters.anomalies.add("clock")
	l.seldom(slog.LevelError, "revocation: log time is more than a day ahead of the clock of this machine: one of the two is wrong",
		"store", l.where(), "log_time", time.UnixMilli(ms).UTC())
}

// credible returns v without times that cannot be right, for a list whose log time is at.
// What was revoked at an impossible "now" becomes a revocation up to the present, kept as
// long as any other. If log time was right, credible returns v itself.
func (l *Replica) credible(v *view, at int64) *view {
	if plausible(v.m.MS, time.Now()) {
		return v
	}
	at = max(at, l.LogTime())
	n, w := *v, *v.now
	n.now, w.recent, n.globals = &w, slices.Clone(w.recent), maps.Clone(v.globals)
	for i := range w.recent {
		w.recent[i].W, w.recent[i].Until = l.credibleW(w.recent[i].W, at), 0
	}
	for k, m := range n.globals {
		m.W, m.Until = l.credibleW(m.W, at), at+v.head.Retain().Milliseconds()
		if k.Scope == revlog.ScopeKey {
			m.Until = at + keyKept.Milliseconds()
		}
		n.globals[k] = m
	}
	lower := func(w int64) int64 { return l.credibleW(w, at) }
	w.watermarks = w.watermarks.lowered(lower)
	if w.asked != nil {
		w.asked = w.asked.lowered(lower)
	}
	l.answered.forget()
	return &n
}

// credibleW returns w, or the watermark of "now" instead of an impossible one, for a list
// whose log time is at.
func (l *Replica) credibleW(w, at int64) int64 {
	now := at + l.Within().Milliseconds()
	if w == revlog.Forever || w <= now+believed.Milliseconds() {
		return w
	}
	return now
}

// A checkedTo is a checked position and the term of the check.
type checkedTo struct {
	chk  int64
	term uint32
}

// checkedAt is the checked position of a session that nothing up to log time ms ends, in a
// list with the head h (R19). It is 1 ms less, because more entries may come in that
// millisecond.
func checkedAt(ms int64, h revlog.Head) checkedTo {
	return checkedTo{max(ms-1, h.Born), termIn(h.ID, h.Term())}
}

func (v *view) checked() checkedTo { return checkedAt(v.m.MS, v.head) }

// ahead reports whether q claims to have begun after now. Until log time has come that far,
// a watermark of "now" does not reach q.
func ahead(q *Query, now int64, skew time.Duration) bool {
	return q.Epoch > now+skew.Milliseconds()
}

// Began returns the time since when the list has kept everything that it was told, for at
// least MaxIdle: since the list was created, or since its retention was increased to that.
// It may know nothing of what was revoked before. The time is zero if l is disabled or has
// not joined its list.
//
// lost reports that the store lost data less than MaxIdle ago, so that the list was created
// again or became incomplete. Replicas that had read the old data wrote back what they
// knew. The rest is in doubt.
func (l *Replica) Began() (at time.Time, lost bool) {
	v := l.view.Load()
	if v == nil {
		return time.Time{}, false
	}
	h := v.head
	raised := h.MS
	for _, r := range h.Retentions {
		if r.Retain >= l.config.retain() {
			raised = r.From
			break
		}
	}
	return time.UnixMilli(max(h.Born, raised)), h.Known > 0 && h.MS-h.Born < l.MaxIdle().Milliseconds()
}
