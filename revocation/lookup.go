package revocation

import (
	"context"
	"fmt"
	"time"
)

// KeyRevoked reports whether this replica knows that the key kid is revoked. It
// reads memory only. Ask before sealing: a ring that was put back from a backup
// may hold a key as good that was revoked since. False means that this replica
// has heard of no revocation, which says nothing before the list is ready.
func (l *List) KeyRevoked(kid string) bool {
	if l.store == nil || kid == "" {
		return false
	}
	// The outbox first, as in Decide.
	if l.outbox.n.Load() > 0 && l.outbox.w(exactKey{ScopeKey, l.kids.tag(l.tags, kid)}) >= 0 {
		return true
	}
	v := l.view.Load()
	return v != nil && v.marks.key(&l.kids, l.tags, kid)
}

// Revoked asks the store whether t is revoked. since is the moment of log time
// at or before which sessions must have begun to be refused; it is zero for a
// session and a key, which are refused whenever they began.
//
// With [ErrLookup] the store did not answer. Then since and ok say what this
// replica knows: the revocations of the last minutes, those it made itself, and all
// of keys and of everyone. A true ok holds, a false one says nothing of the rest.
func (l *List) Revoked(ctx context.Context, t Target) (since time.Time, ok bool, err error) {
	if l.store == nil {
		return time.Time{}, false, ErrDisabled
	}
	if err := t.check(); err != nil {
		return time.Time{}, false, err
	}
	k := exactKey{scope: t.scope}
	if t.scope != ScopeEveryone {
		k.tag = l.tags.of(t)
	}
	v := l.view.Load()
	w := max(l.knownOf(k, v), 0)
	if v == nil {
		err = errBooting
	} else {
		var stored int64
		stored, err = l.storedOf(ctx, k, v)
		w = max(w, stored)
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrLookup, err)
	}
	switch {
	case w == 0:
		return time.Time{}, false, err
	case t.scope == ScopeSession || t.scope == ScopeKey:
		return time.Time{}, true, err
	}
	return time.UnixMilli(w), true, err
}

// knownOf returns the highest W of k that this replica knows, 0 or less if none.
func (l *List) knownOf(k exactKey, v *view) int64 {
	w := l.outbox.w(k)
	if v == nil {
		return w
	}
	w = max(w, v.marks[k].w)
	for _, part := range []*window{v.now, v.before} {
		if part == nil {
			continue
		}
		for i := range part.ring {
			if e := &part.ring[i]; e.Scope == k.scope && e.Tag == k.tag {
				w = max(w, e.W)
			}
		}
	}
	cached, _ := l.revoked.Get(k)
	return max(w, cached)
}

// storedOf asks the store for the W of k in force, 0 if there is none.
func (l *List) storedOf(ctx context.Context, k exactKey, v *view) (w int64, _ error) {
	q := Question{List: v.head.Genesis, Skew: l.Within()}
	switch k.scope {
	case ScopeSession:
		q.Session = k.tag
	case ScopeSubject:
		q.Subject = k.tag
	case ScopeGroup:
		q.Groups = []Tag{k.tag}
	case ScopeKey:
		q.Keys = []Tag{k.tag}
	}
	a, err := l.store.Confirm(ctx, q)
	switch {
	case err != nil:
		return 0, err
	case k.scope == ScopeSession && a.Session:
		return Forever, nil
	case k.scope == ScopeSubject:
		return a.Subject, nil
	case k.scope == ScopeGroup:
		return a.Groups[0], nil
	case k.scope == ScopeKey:
		return a.Keys[0], nil
	case k.scope == ScopeEveryone:
		return a.Everyone, nil
	}
	return 0, nil
}
