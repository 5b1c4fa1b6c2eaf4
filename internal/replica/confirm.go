package replica

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	"golang.org/x/sync/semaphore"
)

const (
	confirmFor = 500 * time.Millisecond // one confirm, and how long others may join it (R18)
	// A little longer than an answer may take. So a caller that waits for room learns that
	// the store is silent from the questions that have room.
	roomFor   = confirmFor + confirmFor/10
	lostGrace = time.Minute // after a loss, before "unknown" becomes "log in again" (R17)
)

// clearKey names a session in the cache of those that the store answered are not revoked.
// It covers everything that the question depended on.
type clearKey [16]byte

// clearedTo is what the cache has of a session: up to where it is not revoked, and what was asked of
// it up to there.
type clearedTo struct {
	checkedTo
	asks revlog.Asks
}

func (t *tagger) clearKey(q *Query) (k clearKey) {
	h := t.tag()
	h.Write([]byte("clear"))
	h.Write(q.tag[:])
	h.Write(q.Subject[:])
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(q.Epoch)))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(q.Loaded)))
	for _, g := range q.groups() {
		h.Write(g[:])
	}
	copy(k[:], h.Sum(nil))
	return k
}

var (
	errCrowded = errors.New("revocation: too many questions to the store in flight")
	errSilent  = errors.New("revocation: the store was silent a moment ago, and was not asked again")
	errBehind  = errors.New("revocation: the store answers from a state this replica has not followed yet")
)

// Confirm decides about a session for which [Replica.Decide] returned [Ask]. It never
// returns Ask. It reads the exact set once, or twice if the first answer does not agree
// with the view. If the store does not answer, it decides from the window as far as that
// reaches back. It returns [Undecided] if the window does not reach back far enough, or if
// the store's answer cannot be used yet.
func (l *Replica) Confirm(ctx context.Context, q *Query) Verdict {
	began := time.Now()
	v, by := l.confirm(ctx, q, began)
	l.counters.confirm.Observe(time.Since(began))
	l.counters.confirmed[by][v.Outcome].Add(1)
	if v.Reason != None {
		l.counters.refused[v.Reason].Add(1)
	}
	if v.Outcome == Accept {
		l.census.saw(q)
	}
	return v
}

// confirm decides, and says how.
func (l *Replica) confirm(ctx context.Context, q *Query, now time.Time) (Verdict, path) {
	d := l.decide(q, now)
	if d.Outcome != Ask {
		return d, fromMemory(d)
	}
	if l.overslept(now) && l.await(ctx, 2, func() bool { return l.fresh(time.Now()) }) { // the first may have slept as well
		now = time.Now()
		if d = l.decide(q, now); d.Outcome != Ask {
			return d, fromMemory(d)
		}
	}
	v := l.view.Load()
	d, by, err := l.consult(ctx, q, v, now)
	// A replica that is behind catches up soon: after a failover, with the next read.
	if errors.Is(err, errBehind) && l.await(ctx, 1, func() bool { return l.view.Load() != v }) {
		now = time.Now()
		if d = l.decide(q, now); d.Outcome != Ask {
			return d, fromMemory(d)
		}
		d, by, _ = l.consult(ctx, q, l.view.Load(), now)
	}
	return d, by
}

// consult decides about q from earlier answers or, if they do not decide, by asking the
// store, and says which. With errBehind it has not decided, because the store does not agree
// with v (R17).
func (l *Replica) consult(ctx context.Context, q *Query, v *view, now time.Time) (Verdict, path, error) {
	key := l.tags.clearKey(q)
	if d := l.askedBefore(q, v, key, now); d.Outcome != Ask {
		l.counters.confirms.add("cached")
		return d, byCache, nil
	}
	d, err := l.answer(ctx, q, v, key, now)
	if d.Outcome != Undecided && !d.Fresh { // the store did not answer
		return d, byFrozen, err
	}
	return d, byStore, err
}

// answer decides about q by asking the store. See consult.
func (l *Replica) answer(ctx context.Context, q *Query, v *view, key clearKey, now time.Time) (Verdict, error) {
	question := l.question(q, v)
	a, err := l.ask(ctx, question)
	// This comes before everything else: nothing is ever un-revoked, so "revoked" is true
	// however old the answer is and however far behind this replica is.
	found, scope := a.Judge(question)
	switch {
	case found == revlog.FoundRevoked:
		l.remember(a)
		if l.doubtful(q, v) {
			l.counters.hit.Add(1)
		}
		return Verdict{Outcome: Refuse, Reason: revokedBy(scope), Fresh: true}, nil
	case errors.Is(err, errForged):
		return Verdict{Reason: Silent}, nil
	case err == nil && v.knowsMore(a.Head):
		// The store answers, so this replica is not cut off. But what the window would
		// accept may have been revoked since.
		return Verdict{Reason: Silent}, errBehind
	case err != nil:
		return l.unanswered(q, err), nil
	}
	d, keep := l.judged(q, v, question, a, found, now)
	if keep && !v.newPrimary(l.Within()) {
		l.cleared.Add(key, clearedTo{checkedTo{d.Checked, d.Term}, d.Asks})
	}
	return d, nil
}

// judged decides about q by the answer a, which agrees with v and does not revoke q. found is what a
// says. keep reports whether the verdict may be remembered.
func (l *Replica) judged(q *Query, v *view, question revlog.Question, a revlog.Answer, found revlog.Finding, now time.Time) (_ Verdict, keep bool) {
	lost := Verdict{Outcome: Refuse, Reason: ListLost, Fresh: true}
	if found != revlog.FoundUnknown && !forgotten(q.Checked, a.Head, a.Now) && forgotten(v.sinceCheck(q, l.Within()), a.Head, a.Now) {
		return lost, false
	}
	if (found == revlog.FoundNothing || found == revlog.FoundAsks) && (ahead(q, a.Now, l.Within()) || forgotten(q.Checked, a.Head, a.Now)) {
		found = revlog.FoundAhead
	}
	at := checkedAt(a.Head.MS, a.Head)
	accept := Verdict{
		Outcome: Accept, Fresh: true, Extend: true, Renew: v.age(now) <= l.Within() && !v.newPrimary(l.Within()), Checked: at.chk, Term: at.term,
		Asks: a.Asks(question),
	}
	if q.Loaded > a.Now+l.Within().Milliseconds()+1 { // by a log time that was lost: what was asked since seems done
		accept.Asks |= revlog.AsksReload
	}
	if accept.Asks != 0 {
		l.remember(a)
	}
	if accept = l.asked(q, v, accept, now).limited(); accept.Outcome == Refuse {
		accept.Fresh = true
		return accept, false
	}
	switch found {
	case revlog.FoundAhead:
		if !plausible(q.Epoch, now) { // nor will it ever be reached
			return lost, false
		}
		return Verdict{Reason: Silent}, false
	case revlog.FoundUnknown:
		return l.unknown(q, v, a, accept), false
	}
	l.denied(q, v)
	return accept, v.knowsEnds(a)
}

// askedBefore decides about q from earlier answers of the store. If they do not decide, the
// outcome is Ask.
func (l *Replica) askedBefore(q *Query, v *view, key clearKey, now time.Time) Verdict {
	synced := v.age(now) <= l.Within()
	if r := l.answeredRevoked(q); r != None {
		return Verdict{Outcome: Refuse, Reason: r, Fresh: synced}
	}
	// An earlier "not revoked" is worth as much as a token that was checked then. So it is
	// decided like such a token, and the window shows what was revoked since (R18).
	if s, ok := l.cleared.Get(key); ok && synced && s.chk > q.Checked {
		again := *q
		again.Checked, again.Term = s.chk, s.term
		d := l.decide(&again, now)
		if d.Outcome == Accept { // what was asked stays asked of a session that began and was loaded then
			d.Asks |= s.asks
		}
		return d.limited()
	}
	return Verdict{Outcome: Ask}
}

// unknown decides about q when the store cannot, because the list is not complete from the
// time when q was last checked. accept is the verdict to return if q is accepted.
func (l *Replica) unknown(q *Query, v *view, a revlog.Answer, accept Verdict) Verdict {
	switch l.recall(q, v, a.Head) {
	case miss, asks:
		l.counters.anomalies.add("settled_miss")
		// q is not renewed before every replica that reaches the store has had the time to
		// write back what it knows.
		accept.Renew = accept.Renew && a.Now-a.Head.Born > l.Within().Milliseconds()
		return accept
	case revoked, maybe:
		l.counters.anomalies.add("settled_hit")
		return Verdict{Outcome: Refuse, Reason: ListLost, Fresh: true}
	}
	if a.Now-a.Head.Born < lostGrace.Milliseconds() {
		return Verdict{Reason: Silent}
	}
	return Verdict{Outcome: Refuse, Reason: ListLost, Fresh: true}
}

// unanswered decides about q when the question ended with err. The reader may have read
// more meanwhile, so it tries the window again.
func (l *Replica) unanswered(q *Query, err error) Verdict {
	now := time.Now()
	d := l.decide(q, now)
	switch {
	case d.Outcome != Ask:
		return d
	case errors.Is(err, errCrowded): // which says nothing about the store
		return Verdict{Reason: Silent}
	}
	v := l.view.Load()
	return frozen(l.local(q, v, now), v.age(now), l.Grace())
}

const unsure finding = 0xff

const mostKept = 8 // windows that stand behind one that is kept apart

// recall looks for q in the kept windows, when the store cannot decide. A kept window
// answers only for a session that was last checked within it, in the term in which it
// ended: if two primaries served at once, the window of one says nothing about what the
// other took. The windows since then must be known too, without a gap (R17).
func (l *Replica) recall(q *Query, v *view, h revlog.Head) finding {
	if v.now.gap || !v.kept.complete(h, l.Within()) {
		return unsure
	}
	worst := l.since(q, v.now)
	for w := v.kept; w != nil; w = w.earlier {
		if w.covers(q.Checked) && termIn(w.list, w.term) == q.Term {
			s, _ := l.look(q, w)
			return max(worst, s)
		}
		if w.alone {
			break
		}
		worst = max(worst, l.since(q, w))
	}
	return unsure
}

// since looks for q in a window that begins after q was last checked. It looks at every
// entry, not only at those after q.Checked: a list that was created by a replica that had
// been cut off may have started at a log time before that.
func (l *Replica) since(q *Query, w *window) finding {
	s, _ := l.match(q, listed, func(k revlog.Key) finding { return w.sees(k, 0, q.Epoch) })
	if s == maybe && w.exact() {
		return miss // the filter was wrong
	}
	return s
}

// complete reports whether the kept window w reaches to the loss of data that the head h
// records: no other replica had read more than S further, or in another term.
func (w *window) complete(h revlog.Head, within time.Duration) bool {
	for ; w != nil && w.joined; w = w.earlier {
		if !w.brief {
			return w.term == h.KnownTerm && w.to >= h.Known-within.Milliseconds()
		}
	}
	return false
}

// lost returns the window of v as a kept window, for a store that lost the data it covers.
// The earlier kept windows of v stay behind it. They answer only if they are complete and
// nothing since then is missing. joined says that the next window begins where this one
// ended, without a gap.
func (v *view) lost(joined bool, within time.Duration) *window {
	w := *v.now
	w.list, w.term, w.joined = v.head.ID, v.head.Term(), joined
	w.earlier = v.kept.newest(mostKept)
	w.alone = w.gap || !v.kept.complete(v.head, within)
	w.brief = !w.alone && v.m.MS-min(w.from, v.head.Born) <= within.Milliseconds()
	w.from = max(w.from, v.head.Born) // what came before then its list may have lacked
	return &w
}

// reached returns how far v had read in what the store lost, and in which term. A list that
// was lost within S of its creation does not count. Replicas that had read further in the
// list before may not have said so there, and every replica writes back at once what the
// short-lived list took.
func (v *view) reached(within time.Duration) (ms int64, term uint32) {
	w := v.lost(true, within)
	for w.brief {
		w = w.earlier
	}
	return w.to, w.term
}

func (l *Replica) question(q *Query, v *view) revlog.Question {
	out := revlog.Question{
		List: v.head.ID, Session: q.tag, Subject: q.Subject, Groups: slices.Clone(q.groups()),
		Epoch: v.began(q.Term, q.Epoch, l.Within()), Checked: v.lastChecked(q), Skew: l.Within(),
	}
	out.LoggedIn, out.Loaded = out.Epoch, v.began(cmp.Or(q.LoadedTerm, q.Term), q.loaded(), l.Within())
	for _, kid := range q.Keys {
		if kid != "" {
			out.Keys = append(out.Keys, l.kids.tag(l.tags, kid))
		}
	}
	return out
}

// ask asks the store. Concurrent callers that ask about the same session share one
// question: the answer holds what is in force, so it serves all of them, whatever their
// checked positions.
func (l *Replica) ask(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
	name := make([]byte, 0, 256)
	name = append(name, q.List[:]...)
	name = append(name, q.Session[:]...)
	name = append(name, q.Subject[:]...)
	for _, t := range q.Groups {
		name = append(name, t[:]...)
	}
	name = append(name, '|')
	for _, t := range q.Keys {
		name = append(name, t[:]...)
	}
	flight := l.flights.DoChan(string(name), func() (any, error) {
		// Without the ctx of the first caller, so that it can leave without taking the
		// answer from the others.
		return l.askAlone(context.WithoutCancel(ctx), l.asking, q)
	})
	select {
	case <-ctx.Done():
		return revlog.Answer{}, errCrowded // says nothing about the store
	case r := <-flight:
		return r.Val.(revlog.Answer), r.Err
	}
}

// askAlone asks the store as soon as there is room for one more question.
func (l *Replica) askAlone(ctx context.Context, room *semaphore.Weighted, q revlog.Question) (revlog.Answer, error) {
	waited, err := l.enter(ctx, room)
	if err != nil {
		return revlog.Answer{}, err
	}
	defer room.Release(1)
	if waited && l.silent.Load() { // those who were here before have found out
		return revlog.Answer{}, errSilent
	}
	a, err := l.put(ctx, q)
	if err != nil && ctx.Err() == nil && !errors.Is(err, errForged) {
		l.silent.Store(true)
	}
	return a, err
}

// enter waits for room for a question, and reports whether it had to wait.
func (l *Replica) enter(ctx context.Context, room *semaphore.Weighted) (waited bool, _ error) {
	if room.TryAcquire(1) {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, roomFor)
	defer cancel()
	if room.Acquire(ctx, 1) != nil {
		l.counters.confirms.add("crowded")
		return true, errCrowded
	}
	return true, nil
}

// put sends a question to the store. If the store has made no heartbeat for longer than S,
// nobody can write to it, and its answer may be old. put then returns the answer with an
// error, and only what the answer calls revoked is true. The same holds with errForged.
func (l *Replica) put(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, confirmFor)
	defer cancel()
	sent := time.Now()
	a, err := l.store.Confirm(ctx, q)
	forged := l.believe(q, &a)
	switch {
	case forged != nil && forged != errHidden: // whatever else is wrong with the answer
		err = forged
	case err == nil && a.Heartbeat+time.Since(sent) > l.Within():
		err = ErrUnavailable
	case err == nil:
		err = forged
	}
	if err != nil && err != errHidden {
		l.counters.confirms.add("failed")
		return a, err
	}
	l.counters.confirms.add("store")
	l.clock.heard(a.Head.MS, true)
	return a, err
}
