package replica

import (
	"context"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// loaded returns when the data of the session was loaded, in log time.
func (q *Query) loaded() int64 {
	if q.Loaded != 0 {
		return q.Loaded
	}
	return q.Epoch
}

// places returns the n names under which an entry may ask something of q.
func (q *Query) places() (all [11]revlog.Key, n int) {
	all[0] = revlog.Key{Scope: revlog.ScopeEveryone}
	all[1] = revlog.Key{Scope: revlog.ScopeSession, Tag: q.tag}
	n = 2
	if q.Subject != (revlog.Tag{}) {
		all[n] = revlog.Key{Scope: revlog.ScopeSubject, Tag: q.Subject}
		n++
	}
	for _, g := range q.groups() {
		all[n] = revlog.Key{Scope: revlog.ScopeGroup, Tag: g}
		n++
	}
	return all, n
}

// asked adds to d, which accepts q, what entries ask of q (R36). An entry that ends sessions slowly
// may refuse q instead (R37).
func (l *Replica) asked(q *Query, v *view, d Verdict, now time.Time) Verdict {
	ends, why := l.endsSlowly(q, v, now)
	if why != None {
		return Verdict{Outcome: Refuse, Reason: why}
	}
	if ends {
		d.Asks |= revlog.Ending
	}
	if !q.listed() { // nobody could log in to it again, and it is known to nobody
		return d
	}
	all, n := q.places()
	for _, k := range all[:n] {
		if k.Effect = revlog.RequireLogin; upTo(l.askedUpTo(k, v), q.Epoch) == revoked {
			d.Asks |= revlog.AsksLogin
		}
		if k.Effect = revlog.Reload; upTo(l.askedUpTo(k, v), q.loaded()) == revoked {
			d.Asks |= revlog.AsksReload
		}
	}
	return d
}

// asksMore reports whether something besides the window of v may ask something of a session.
func (v *view) asksMore() bool {
	return v.globalsAsk || v.tail != nil && v.tail.asked.count() > 0 || v.kept != nil && v.kept.asks()
}

// asks reports whether w or an earlier kept window asks something of a session.
func (w *window) asks() bool {
	for ; w != nil; w = w.earlier {
		if w.asked.count() > 0 {
			return true
		}
	}
	return false
}

// askedUpTo returns the highest watermark of k that this replica knows, or 0 or less.
func (l *Replica) askedUpTo(k revlog.Key, v *view) int64 {
	w := max(l.outbox.w(k), v.globals[k].W, v.now.asked.of(k), l.answered.of(k))
	if v.tail != nil {
		w = max(w, v.tail.asked.of(k))
	}
	for kept := v.kept; kept != nil; kept = kept.earlier {
		w = max(w, kept.asked.of(k))
	}
	return w
}

// ReloadUpTo returns the highest watermark that this replica knows of entries that have the data of q
// loaded again, or 0 or less.
func (l *Replica) ReloadUpTo(q *Query) (w int64) {
	v := l.view.Load()
	if v == nil {
		return 0
	}
	all, n := q.places()
	for _, k := range all[:n] {
		k.Effect = revlog.Reload
		w = max(w, l.askedUpTo(k, v))
	}
	return w
}

// limited returns d without what a session may not have that entries ask something of. Its checked
// position stays before them, so that no replica passes them by. A session that waits for a login
// or for its data is not in use, so its idle limit stays as well.
func (d Verdict) limited() Verdict {
	if d.Asks != 0 {
		d.Renew = false
		d.Extend = d.Extend && d.Asks == revlog.Ending
	}
	return d
}

// Loading returns what to put into Query.Loaded and Query.LoadedTerm, and the former into the token,
// once the data of the session q was loaded. Call it before the data is loaded. It asks the store
// once, as Begin does: data that is loaded from now on has everything that any entry so far asks for.
func (l *Replica) Loading(ctx context.Context, q *Query) (at int64, term uint32, err error) {
	s, err := l.Begin(ctx, Login{Subject: q.Subject, Groups: q.groups()})
	if err != nil || l.store == nil {
		return s.Epoch, s.Term, err
	}
	own := revlog.Key{Scope: revlog.ScopeSession, Tag: q.tag, Effect: revlog.Reload}
	return max(s.Epoch, l.askedUpTo(own, l.view.Load())+1), s.Term, nil
}
