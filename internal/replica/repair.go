package replica

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// mend returns the view from which to follow a list whose log is not the one that v
// followed, as after a failover that lost entries or a restart from a snapshot (R10). p is
// the page that does not continue the log of v.
func (l *Replica) mend(ctx context.Context, v *view, p revlog.Page, now time.Time) (*view, error) {
	l.counters.anomalies.add("broken")
	if v.adrift {
		return l.leave(v, p.Head), nil // there is nothing more of v to doubt
	}
	l.seldom(slog.LevelWarn, "revocation: the store's log is not the one that this replica followed: writing back what it lost", "at", v.m.String())
	at, found, err := l.newestCommon(ctx, v, p.Head)
	if err != nil {
		return nil, err
	}
	// A snapshot may also be from before complete from, the known time or the floor moved.
	head := v.head
	loss := revlog.Repair{List: head.ID, Known: head.Known, KnownTerm: head.KnownTerm, Born: head.Born, Recheck: p.Head.Floor < head.Floor}
	if found {
		n := v.backTo(at, p)
		r := &repair{list: head.ID}
		if n.tail != nil {
			r = lostTail(head.ID, n.last.N, n.tail.recent)
		}
		_, err := l.begins(ctx, r, loss, nil)
		return n, err
	}
	loss.Known, loss.KnownTerm = v.reached(l.Within())
	d := l.doubts(v, p.Head)
	loss.Born = max(loss.Born, d.born)
	h, err := l.begins(ctx, v.owes(head.ID, d.common), loss, v.globals)
	if err != nil {
		return nil, err
	}
	from, joined := after(v, h)
	return l.resume(ctx, v, h, from, joined, now)
}

// adopt follows the list that the store holds now, after it lost the list of v. It writes
// back what this replica knows, and keeps the window of v for the sessions that the new
// list cannot decide about (R11). why is what the store answered, and now is when the read
// began.
func (l *Replica) adopt(ctx context.Context, v *view, why error, now time.Time) error {
	if l.left != v.head.ID { // only once: what the replica hears later is of the new list
		l.left, l.leftAt = v.head.ID, l.clock.highest()
	}
	floor := max(l.clock.highest(), l.clock.present(time.Now())-1) // a clock that goes right is past that
	head, ours, err := l.create(ctx, floor)
	if err != nil {
		l.seldom(slog.LevelError, "revocation: the list is gone and no new one can be created", "store", l.where(), "error", err)
		return err
	}
	l.seldom(slog.LevelWarn, "revocation: the store lost the list: following a new one", "known_up_to", v.m.String(), "because", why)
	if ours && floor > 0 && head.Born == floor {
		// The store's clock is behind. The old list may have come a little further than this
		// replica has heard, and tokens may say so.
		l.leftAt = max(l.leftAt, floor+l.Within().Milliseconds())
	}
	known, term := v.reached(l.Within())
	if v = l.credible(v, head.MS); !plausible(known, now) {
		known = l.LogTime()
	}
	// Born as well: the replica that created this list may have started it at a log time
	// before the checked positions of tokens. Its entries would seem older than those.
	d := l.doubts(v, head)
	loss := revlog.Repair{List: head.ID, Known: known, KnownTerm: term, Born: max(l.leftAt, d.born)}
	if _, err := l.begins(ctx, v.owes(head.ID, d.common), loss, v.globals); err != nil {
		return err
	}
	// From its beginning: Born may have been raised since, past entries of the new list.
	_, err = l.resume(ctx, v, head, 0, true, now)
	return err
}

// owes returns what to write back, apart from the global entries, to a list that lost all
// that v holds. What is no newer than common needs no entry of the log.
func (v *view) owes(list revlog.ListID, common int64) *repair {
	r := &repair{list: list, owed: v.now.recent, common: common}
	if v.tail != nil { // lost before, and not shown again since
		r.owed = inOrder(v.tail.recent, r.owed)
	}
	for w := v.kept; w != nil; w = w.earlier { // written back quietly, so no log has it since
		old := v.m.MS - v.memory().Milliseconds()
		alive := sort.Search(len(w.recent), func(i int) bool { return w.recent[i].Position.MS > old })
		r.owed = inOrder(w.recent[alive:], r.owed)
	}
	r.owed = without(r.owed, func(e revlog.Entry) bool { return e.Scope.Global() || e.Canary() })
	return r
}

// without returns entries without those that drop names. It does not change entries.
func without(entries []revlog.Entry, drop func(revlog.Entry) bool) []revlog.Entry {
	if !slices.ContainsFunc(entries, drop) {
		return entries
	}
	return slices.DeleteFunc(slices.Clone(entries), drop)
}

// sayAgain writes back what v holds exactly, to a log that was trimmed past the last entry
// of v. Mostly the store has all of it, and nothing changes. But the log that was trimmed
// may have been another one than v followed.
func (l *Replica) sayAgain(ctx context.Context, v *view, h revlog.Head) error {
	r := v.owes(v.head.ID, 0) // the list does not say that it lacks anything
	kept := h.MS - v.leapTo(h.MS) - v.memory().Milliseconds()
	r.owed = r.owed[sort.Search(len(r.owed), func(i int) bool { return r.owed[i].Position.MS > kept }):]
	if len(r.owed) == 0 && len(v.globals) == 0 {
		return nil
	}
	_, err := l.begins(ctx, r, revlog.Repair{List: v.head.ID, Known: v.head.Known, KnownTerm: v.head.KnownTerm, Born: v.head.Born}, v.globals)
	return err
}

// inOrder returns the entries of two logs by log time.
func inOrder(a, b []revlog.Entry) []revlog.Entry {
	all := slices.Concat(a, b)
	slices.SortStableFunc(all, func(a, b revlog.Entry) int { return cmp.Compare(a.Position.MS, b.Position.MS) })
	return all
}

// begins writes into the head what is in doubt. In the same step it writes back the global
// entries and the newest other entries (R26). Replicas would believe a store that has the
// entries and does not say that it lacks others. And as long as the newest ones are
// missing, a replica that has never read them accepts what they revoked. The rest can wait
// for writeBack.
func (l *Replica) begins(ctx context.Context, r *repair, loss revlog.Repair, globals globalEntries) (revlog.Head, error) {
	for _, k := range slices.SortedFunc(maps.Keys(globals), byKey) {
		loss.Assertions = append(loss.Assertions, globals[k].Again())
	}
	some, rest := r.next(atOnce)
	if len(some) > 0 && some[0].Position.MS <= r.common {
		some, rest = nil, r.owed
	}
	loss.Assertions = append(loss.Assertions, restored(some)...)
	w, err := l.repair(ctx, loss, l.Within()*3/4)
	if err != nil {
		return revlog.Head{}, err
	}
	r.wrote(rest, w.Head)
	l.lacking = r
	l.counters.anomalies.add("republished")
	return w.Head, nil
}

// newestCommon finds the newest of the recent entries of v that the log with the head h
// still holds, or the anchor before them (-1). The recent entries after it then are all
// that is missing.
func (l *Replica) newestCommon(ctx context.Context, v *view, h revlog.Head) (at int, found bool, _ error) {
	recent := v.now.recent
	base, known := v.base()
	if i := sort.Search(len(recent), func(i int) bool { return recent[i].Position.N >= h.N }); i < len(recent) && recent[i].Position.N == h.N && recent[i].Chain == h.Chain {
		return i, true, nil
	}
	if known && h.N == base.Position.N && h.Chain == base.Chain {
		return -1, true, nil
	}
	// The log holds all entries up to a certain one, and none after it.
	low, high := len(recent), len(recent)
	for step := 1; ; step *= 2 {
		low = max(low-step, 0)
		if low == high {
			break
		}
		held, err := l.holds(ctx, h.ID, recent[low])
		if err != nil {
			return 0, false, err
		}
		if held {
			return l.between(ctx, h.ID, recent, low, high)
		}
		high = low
	}
	switch {
	case !known:
		return 0, false, nil
	case base.Position.N == 0: // the recent entries are the whole log
		return -1, true, nil
	case base.Position.MS == 0: // its number is known, but not its log time
		return 0, false, nil
	}
	held, err := l.holds(ctx, h.ID, base)
	return -1, held, err
}

// between finds the newest of the recent entries that the log holds, given that it holds
// the one at low and not the one at high.
func (l *Replica) between(ctx context.Context, list revlog.ListID, recent []revlog.Entry, low, high int) (int, bool, error) {
	for high-low > 1 {
		mid := (low + high) / 2
		held, err := l.holds(ctx, list, recent[mid])
		if err != nil {
			return 0, false, err
		}
		if held {
			low = mid
		} else {
			high = mid
		}
	}
	return low, true, nil
}

// holds reports whether the log has e, and so everything before e.
func (l *Replica) holds(ctx context.Context, list revlog.ListID, e revlog.Entry) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, l.Within()/4)
	defer cancel()
	p, err := l.store.Read(ctx, revlog.Cursor{List: list, From: e.Position, Limit: 1, Floor: l.clock.highest()})
	return len(p.Entries) > 0 && p.Entries[0].Position == e.Position && p.Entries[0].Chain == e.Chain, err
}

// base returns the entry before the recent ones of v, with only its position and chain. If
// only its number is known, the position has no ms.
func (v *view) base() (revlog.Entry, bool) {
	w := v.now
	switch {
	case w.anchored:
		return w.anchor, true
	case len(w.recent) == 0:
		return revlog.Entry{Position: v.last, Chain: v.chain}, v.chain != [8]byte{} || v.last.N == 0
	}
	return revlog.Entry{}, false
}

// backTo returns v as it was when its newest entry was recent entry at, or the one before
// the oldest (-1). The log of p continues differently from there on. The entries
// after it become the lost tail, until the log shows them. The filters keep them, which
// only makes some decisions look at the recent entries.
func (v *view) backTo(at int, p revlog.Page) *view {
	n, w := *v, *v.now
	e, _ := v.base()
	if at >= 0 {
		e = w.recent[at]
	}
	n.last, n.chain, n.m = e.Position, e.Chain, e.Position
	switch {
	case e.Position.N == 0:
		n.m.MS = v.head.Born
		if p.Oldest.N > 0 {
			n.m.MS = min(n.m.MS, p.Oldest.MS)
		}
	case e.Position.MS == 0:
		n.m.MS = p.Head.MS
		if len(w.recent) > 0 {
			n.m.MS = min(n.m.MS, w.recent[0].Position.MS)
		}
	}
	if lost := without(w.recent[at+1:], revlog.Entry.Canary); len(lost) > 0 { // a canary revokes nothing (R33)
		n.tail = &window{gens: w.gens, watermarks: w.watermarks, asked: w.asked, recent: lost}
		if v.tail != nil {
			n.tail.recent = inOrder(v.tail.recent, lost)
		}
		n.tail.index()
	}
	w.recent, w.to = w.recent[:at+1:at+1], n.m.MS
	for len(w.blocks) > 0 && w.indexed() > len(w.recent) {
		w.blocks = w.blocks[: len(w.blocks)-1 : len(w.blocks)-1]
	}
	n.now = &w
	return &n
}

// after returns the log time from which to read a log that lost more than the recent
// entries of v, and whether the new window then leaves no gap. A primary that came back
// from a snapshot wrote everything that v cannot know after the last heartbeat in that
// snapshot, which is where its term starts.
func after(v *view, h revlog.Head) (from int64, joined bool) {
	n := len(h.Terms)
	if n == 0 || h.Term() == v.head.Term() || h.Terms[n-1].Start > v.m.MS {
		return h.MS, false
	}
	return h.Terms[n-1].Start, true
}

// resume begins a new view of the list from a log time on, and keeps the window of v as a
// kept window. joined says that there is no gap between that window and the new one.
func (l *Replica) resume(ctx context.Context, v *view, head revlog.Head, from int64, joined bool, now time.Time) (*view, error) {
	n, _, err := l.begin(ctx, head, from, now)
	hidden := errors.Is(err, errForged)
	if err != nil && !hidden {
		return nil, err
	}
	// Where nothing was skipped, v holds the global entries so far, whatever the store has now.
	n.globals, n.lacksGlobals = n.globals.merge(v.globals), n.lacksGlobals || hidden && !joined
	if n.lacksGlobals {
		n.sent = v.sent // not in step
	}
	n.leaps, n.past = l.leapt(v, n.head.MS), v.past
	floor := v.head.Floor
	if n.head.ID != v.head.ID {
		floor = 0
		n.past = append([]revlog.Head{v.head}, v.past[:min(len(v.past), mostKept)]...)
	}
	n.now.gap = n.now.gap || n.head.Floor > floor // no entry shows a bulk revocation
	n.kept, n.tail = v.lost(joined, l.Within()), v.tail
	l.filler, l.doubted = nil, doubt{}
	l.publish(n)
	return n, nil
}

// leave returns v for a log with the head h that is inconsistent in itself. The window is
// empty and starts at the end of the log, so the replica asks about every session checked
// before. One bad entry must not stop a replica (R10).
func (l *Replica) leave(v *view, h revlog.Head) *view {
	l.odd()
	n := *v
	n.head, n.m, n.last, n.chain = h, h.Position(), revlog.Position{N: h.N}, h.Chain
	n.now = &window{from: h.MS, began: v.now.began, to: h.MS, moved: h.MS, recentFrom: h.MS, watermarks: v.now.watermarks, asked: v.now.asked, gap: true}
	n.adrift, n.lacksGlobals = true, true
	if n.kept == nil {
		n.kept = v.now
	}
	l.filler = nil
	return &n
}

func (l *Replica) odd() {
	l.counters.anomalies.add("inconsistent")
	l.seldom(slog.LevelWarn, "revocation: the log is inconsistent: following it from there on, and asking the store about what was checked before", "store", l.where())
}
