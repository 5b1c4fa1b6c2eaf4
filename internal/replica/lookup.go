package replica

import (
	"context"
	"fmt"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// KeyRevoked reports whether this replica knows that the key kid is revoked. It only reads
// memory. Call it before sealing: a ring that was restored from a backup may still hold as
// good a key that was revoked since. False means that this replica has heard of no
// revocation. Before the list is ready, that says nothing.
func (l *Replica) KeyRevoked(kid string) bool {
	if l.store == nil || kid == "" {
		return false
	}
	key := func() revlog.Key { return revlog.Key{Scope: revlog.ScopeKey, Tag: l.kids.tag(l.tags, kid)} }
	// The outbox first, as in Decide.
	if l.outbox.n.Load() > 0 && l.outbox.sees(key(), 0) == revoked {
		return true
	}
	v := l.view.Load()
	return v != nil && len(v.globals) > 0 && v.globals.sees(key(), 0) == revoked
}

// Revoked returns the watermark of k in force, or 0 if it is not revoked. With an error,
// the store did not answer, and w is what this replica knows.
func (l *Replica) Revoked(ctx context.Context, k revlog.Key) (w int64, err error) {
	if l.store == nil {
		return 0, ErrDisabled
	}
	v := l.view.Load()
	w = max(l.knownOf(k, v), 0)
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
	return w, err
}

// knownOf returns the highest watermark of k that this replica knows, or 0 or less if it
// knows none.
func (l *Replica) knownOf(k revlog.Key, v *view) int64 {
	w := l.outbox.w(k)
	if v == nil {
		return w
	}
	w = max(w, v.globals[k].W)
	for _, part := range []*window{v.now, v.kept} {
		if part == nil {
			continue
		}
		if part.knows(k, 0) == revoked {
			w = max(w, part.watermarkOf(k))
		}
	}
	return max(w, l.answered.of(k))
}

// storedOf asks the store for the watermark of k in force, 0 if there is none.
func (l *Replica) storedOf(ctx context.Context, k revlog.Key, v *view) (w int64, _ error) {
	a, err := l.storedAbout(ctx, k, v)
	return a.W(k), err
}

// storedAbout asks the store for all that is in force of the scope and the tag of k.
func (l *Replica) storedAbout(ctx context.Context, k revlog.Key, v *view) (revlog.Answer, error) {
	q := l.about(v.head.ID, k)
	a, err := l.store.Confirm(ctx, q)
	if err != nil {
		return revlog.Answer{}, err
	}
	if err = l.believe(q, &a); err == errHidden { // the view has what it hides
		err = nil
	}
	return a, err
}

// about returns the question about all that is in force of the scope and the tag of k.
func (l *Replica) about(list revlog.ListID, k revlog.Key) revlog.Question {
	q := revlog.Question{List: list, Skew: l.Within()}
	switch k.Scope {
	case revlog.ScopeSession:
		q.Session = k.Tag
	case revlog.ScopeSubject:
		q.Subject = k.Tag
	case revlog.ScopeGroup:
		q.Groups = []revlog.Tag{k.Tag}
	case revlog.ScopeKey:
		q.Keys = []revlog.Tag{k.Tag}
	}
	return q
}
