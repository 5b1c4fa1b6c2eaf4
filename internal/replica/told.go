package replica

import "github.com/wafer-sessions/wafer/revocation/revlog"

// toldRevoked looks for q among what the store once said is revoked. Nothing is
// ever un-revoked, so that stays true; watermarks are compared, so that one who
// logged in again is not met by an older one (R18).
func (l *Replica) toldRevoked(q *Query) Reason {
	if l.revoked.Len() == 0 {
		return None
	}
	_, why := l.match(q, global|listed, func(k revlog.Key) sight {
		w, _ := l.revoked.Get(k)
		return upTo(w, q.Epoch)
	})
	return why
}

// remember keeps what the store says is revoked.
func (l *Replica) remember(q revlog.Question, a revlog.Answer) {
	add := func(s revlog.Scope, t revlog.Tag, w int64) {
		k := revlog.Key{Scope: s, Tag: t}
		if old, _ := l.revoked.Get(k); w > old { // a store that is behind may know of less
			l.revoked.Add(k, w)
		}
	}
	if a.Session {
		add(revlog.ScopeSession, q.Session, revlog.Forever)
	}
	add(revlog.ScopeSubject, q.Subject, a.Subject)
	add(revlog.ScopeEveryone, revlog.Tag{}, a.Everyone)
	for i, w := range a.Groups {
		add(revlog.ScopeGroup, q.Groups[i], w)
	}
	for i, w := range a.Keys {
		add(revlog.ScopeKey, q.Keys[i], w)
	}
}
