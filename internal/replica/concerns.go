package replica

import (
	"bytes"
	"cmp"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A finding is what a lookup finds about a session.
type finding uint8

const (
	miss    finding = iota // no entry about it
	asks                   // no entry that ends it, but perhaps one that asks something of it (R36)
	maybe                  // perhaps one that ends it: a filter hit that the recent entries do not reach back to
	revoked                // certainly one that ends it
)

// scopes says which kinds of revocation to look for.
type scopes uint8

const (
	global scopes = 1 << iota // of everyone and of keys
	listed                    // of the session, its subject and its groups
)

// match looks for a revocation of q in each of the scopes in. sees looks for one key. match
// returns the most certain finding and the reason that belongs to it. This is the only
// place in a replica that combines scopes. It combines them by OR: a revocation of one
// scope never hides one of another.
//
// Only global entries apply to a session that the list does not hold one by one (see
// [Query.listed]).
func (l *Replica) match(q *Query, in scopes, sees func(revlog.Key) finding) (finding, Reason) {
	worst, why := miss, None
	look := func(k revlog.Key) (done bool) {
		if s := sees(k); s > worst {
			worst, why = s, revokedBy(k.Scope)
		}
		return worst == revoked
	}
	if in&global != 0 {
		if look(revlog.Key{Scope: revlog.ScopeEveryone}) {
			return worst, why
		}
		for _, kid := range q.Keys {
			if kid != "" && look(revlog.Key{Scope: revlog.ScopeKey, Tag: l.kids.tag(l.tags, kid)}) {
				return worst, why
			}
		}
	}
	if in&listed == 0 || !q.listed() {
		return worst, why
	}
	if look(revlog.Key{Scope: revlog.ScopeSession, Tag: q.tag}) {
		return worst, why
	}
	if q.Subject != (revlog.Tag{}) && look(revlog.Key{Scope: revlog.ScopeSubject, Tag: q.Subject}) {
		return worst, why
	}
	for _, g := range q.groups() {
		if look(revlog.Key{Scope: revlog.ScopeGroup, Tag: g}) {
			break
		}
	}
	return worst, why
}

// upTo returns what the watermark w means for a session that began at epoch. If w is 0,
// there is none. Sessions and keys are revoked with the watermark Forever.
func upTo(w, epoch int64) finding {
	if w > 0 && w >= epoch {
		return revoked
	}
	return miss
}

// byKey compares keys by scope, tag and effect: what is written in this order is the same each time.
func byKey(a, b revlog.Key) int {
	return cmp.Or(cmp.Compare(a.Scope, b.Scope), bytes.Compare(a.Tag[:], b.Tag[:]), cmp.Compare(a.Effect, b.Effect))
}
