package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// errForged says that the store holds an unverified entry. What it stands in the place of
// is not known, so the answer decides nothing (R32).
var errForged = errors.New("revocation: a revocation in the store has a wrong proof, or a kind that needs a newer release (the log says which)")

// errUnread is an errForged about a global entry that may hide one that this replica has not read.
var errUnread = fmt.Errorf("%w: it may hide what this process has not read yet", errForged)

// errHidden is an errForged about global entries alone, in the answer for a session that is
// about to begin.
var errHidden = fmt.Errorf("%w: it is about everyone", errForged)

// A proof is the result of verifying an entry.
type proof uint8

const (
	genuine proof = iota // verified: its MAC is right, its watermark is not above its limit, and this release understands it
	forged
	unknown // this release does not understand it
)

// check verifies e.
func (l *Replica) check(e revlog.Entry) proof {
	switch {
	case e.MAC != l.tags.entryMAC(e) || e.W > e.Limit:
		return forged
	case !e.Understood():
		return unknown
	}
	return genuine
}

// proofOf is check for an entry that was just read: it counts and logs one that is not genuine.
func (l *Replica) proofOf(e revlog.Entry) proof {
	is := l.check(e)
	switch is {
	case forged:
		l.counters.anomalies.add("forged")
		l.seldom(slog.LevelError, "revocation: ignored a revocation in the store whose proof is wrong: find out what writes to the store without the list key",
			"store", l.where(), "scope", e.Scope)
	case unknown:
		l.counters.anomalies.add("unknown")
		l.seldom(slog.LevelWarn, "revocation: the store holds a revocation of a kind that needs a newer release: sessions that it may apply to are looked up in the store, or get 503; upgrade this process",
			"store", l.where(), "scope", e.Scope, "version", e.Version, "effect", e.Effect)
	}
	return is
}

func (l *Replica) proven(e revlog.Entry) bool { return l.proofOf(e) == genuine }

// believe drops the unverified entries from a. With errForged, a dropped entry may be a
// revocation of what q asks about, or hide one. What is left in a is true all the same.
func (l *Replica) believe(q revlog.Question, a *revlog.Answer) (err error) {
	var good []revlog.Entry
	for _, e := range a.Found {
		is := l.proofOf(e)
		switch {
		case is == genuine && q.Names(e.Key()):
			good = append(good, e)
		case is == forged && e.Scope.Global() && l.followed():
			// A view in step holds what this entry hides, except for a revocation from a
			// moment ago. The next read brings that, which is too late only for a session
			// that begins.
			if q.Session == (revlog.Tag{}) && err == nil {
				err = errHidden
			}
		default:
			err = errForged
		}
	}
	a.Found = good
	return err
}

// unhide adds to a the entry about everyone from a view that has read as far as a. With
// errHidden, a lacks it, because a forged one stands in its place.
func (l *Replica) unhide(ctx context.Context, a *revlog.Answer) error {
	if !l.reads(ctx, a.Head) {
		return errForged
	}
	for k, e := range l.view.Load().globals {
		if k.Scope == revlog.ScopeEveryone {
			a.Found = append(a.Found, e)
		}
	}
	return nil
}

// hasRead reports whether the view is in step and has read as far as the head h.
func (l *Replica) hasRead(h revlog.Head) bool {
	v := l.view.Load()
	return v.head.ID == h.ID && v.last.N >= h.N && l.fresh(time.Now())
}

// reads waits until hasRead(h), for at most two turns, and reports whether it came to that. A read
// that is under way may have been sent before h.
func (l *Replica) reads(ctx context.Context, h revlog.Head) bool {
	read := func() bool { return l.hasRead(h) }
	return read() || l.await(ctx, 2, read)
}

// followed reports whether there is a view and it is in step.
func (l *Replica) followed() bool { return l.view.Load() != nil && l.fresh(time.Now()) }

// globals returns the verified global entries of p, with errForged if there are others.
func (l *Replica) globals(p revlog.Page) (good []revlog.Entry, err error) {
	for _, e := range p.Globals {
		if l.proven(e) {
			good = append(good, e)
		} else {
			err = errForged
		}
	}
	return good, err
}

// withGlobals returns v with the global entries of p.
func (l *Replica) withGlobals(v *view, p revlog.Page) *view {
	n := *v
	good, err := l.globals(p)
	l.overtaken(v, good)
	n.globals, n.lacksGlobals = n.globals.with(good, 0), err != nil
	return &n
}

// assert returns an entry of k by this replica: it is about what began at or before w.
func (l *Replica) assert(k revlog.Key, params string, w, until int64) revlog.Assertion {
	return l.signed(revlog.Assertion{
		Scope: k.Scope, Tag: k.Tag, W: w, Until: until, Version: revlog.EntryVersion, Effect: k.Effect.Byte(), Params: params, Limit: w,
	})
}

// upToNow returns an entry of k that is about what began until now. Its watermark is the
// log time at which the store takes it, plus S. Its limit is present, the estimated log
// time, plus 2 S.
func (l *Replica) upToNow(k revlog.Key, params string, until, present int64) revlog.Assertion {
	within := l.Within().Milliseconds()
	return l.signed(revlog.Assertion{
		Scope: k.Scope, Tag: k.Tag, When: revlog.AtNow, W: present + within, Until: until,
		Version: revlog.EntryVersion, Effect: k.Effect.Byte(), Params: params, Limit: present + 2*within,
	})
}

func (l *Replica) signed(a revlog.Assertion) revlog.Assertion {
	a.MAC = l.tags.entryMAC(a.Entry())
	return a
}

// inTime returns w with limits for logTime, which is later than this replica estimated when
// it made w.
func (l *Replica) inTime(w revlog.Write, logTime int64) revlog.Write {
	l.counters.anomalies.add("late")
	l.clock.heard(logTime, false)
	was := w.Asserts()
	all := make([]revlog.Assertion, len(was))
	for i, a := range was {
		if all[i] = a; a.When == revlog.AtNow {
			all[i] = l.upToNow(a.Entry().Key(), a.Params, a.Until, logTime)
		}
	}
	return w.With(all)
}

// instead returns a write of those assertions of w in whose place the store holds an
// unverified entry. places says where they are in w. If there are none, it returns nil. In
// the place of one that this release does not understand, an assertion reaches as far as that one.
func (l *Replica) instead(w revlog.Write, results []revlog.Result) (again revlog.Write, places []int) {
	was := w.Asserts()
	var all []revlog.Assertion
	for i, r := range results {
		if r.Held.Version != 0 && !l.proven(r.Held) {
			a := was[i]
			if l.check(r.Held) == unknown { // a newer release says something of all these sessions, which must not be lost
				a = l.assert(a.Entry().Key(), a.Params, max(a.W, r.Held.W), a.Until)
			}
			a.Over = string(r.Held.MAC[:])
			all, places = append(all, a), append(places, i)
		}
	}
	if all == nil {
		return nil, nil
	}
	for _, a := range all { // of a global entry, what was overwritten may have reached further
		if known, ok := l.view.Load().globals[a.Entry().Key()]; ok {
			all = append(all, known.Again())
		}
	}
	switch w := w.(type) {
	case revlog.Append:
		w.Assertions, w.Request = all, newRequest()
		return w, places
	case revlog.Repair:
		return revlog.Repair{List: w.List, Floor: w.Floor, Assertions: all}, places
	case revlog.Bulk:
		w.Assertions, w.Recheck = all, false
		return w, places
	}
	return nil, nil // a successor is made only if nothing was found
}

// overForgeries completes the write w, which the store answered with out: it repeats what
// an unverified entry kept from being written. If that entry is a global one, a revocation fails
// with errUnread until the view holds everything that the entry may hide.
func (l *Replica) overForgeries(ctx context.Context, w revlog.Write, out revlog.Written) (revlog.Written, error) {
	was := w.Asserts()
	for i, r := range out.Results {
		if r.Held.Version == 0 && r.W > was[i].Entry().Limit {
			return out, errForged
		}
	}
	again, places := l.instead(w, out.Results)
	if again == nil {
		return out, nil
	}
	_, repair := w.(revlog.Repair) // which cannot wait: the reader reads on only after it
	over := func(i int) bool { return was[i].Scope.Global() }
	if !repair && slices.ContainsFunc(places, over) && !l.hasRead(out.Head) {
		return out, errUnread
	}
	more, err := l.store.Write(ctx, again)
	if err != nil {
		return out, err
	}
	for i, at := range places {
		if r := more.Results[i]; r.Held.Version != 0 && !l.proven(r.Held) {
			return out, errForged
		}
		out.Results[at] = more.Results[i]
	}
	out.Head, out.Replicas = more.Head, min(out.Replicas, more.Replicas)
	return out, nil
}
