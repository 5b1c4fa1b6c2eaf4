package revocation

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"
)

const outboxLimit = 1 << 16

var errFull = errors.New("revocation: too many revocations wait for the store")

// An outbox holds the revocations this replica made until its own view shows
// them: refused here at once, whatever the store does, and sent until the store
// has them (R20).
//
// mu serialises changes; decisions read without it.
type outbox struct {
	n     atomic.Int64
	items sync.Map // exactKey → *sending

	mu sync.Mutex
}

// A sending is immutable.
type sending struct {
	w, until int64
	// position in list, once the store acknowledged it; zero before.
	list     Genesis
	position Position
}

func (s *sending) acknowledged() bool { return s.position != (Position{}) }

// match reports why q is refused by a revocation of this replica's own.
func (o *outbox) match(q *Query, kids *kidTags, t *tagger) Reason {
	if o.n.Load() == 0 {
		return None
	}
	if o.w(exactKey{ScopeEveryone, Tag{}}) >= q.Epoch {
		return RevokedEveryone
	}
	for _, kid := range q.Keys {
		if kid != "" && o.w(exactKey{ScopeKey, kids.tag(t, kid)}) >= 0 {
			return RevokedKey
		}
	}
	if !q.listed() {
		return None
	}
	if o.w(exactKey{ScopeSession, q.tag}) >= 0 {
		return RevokedSession
	}
	if q.Subject != (Tag{}) && o.w(exactKey{ScopeSubject, q.Subject}) >= q.Epoch {
		return RevokedSubject
	}
	for _, g := range q.Groups {
		if o.w(exactKey{ScopeGroup, g}) >= q.Epoch {
			return RevokedGroup
		}
	}
	return None
}

// w returns the W of k, or -1.
func (o *outbox) w(k exactKey) int64 {
	if v, ok := o.items.Load(k); ok {
		return v.(*sending).w
	}
	return -1
}

// put adds a revocation that the store has not acknowledged, and returns what
// stood there before, for withdraw.
func (o *outbox) put(k exactKey, w, until int64) (before *sending, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if old, ok := o.items.Load(k); ok {
		before = old.(*sending)
		w, until = max(w, before.w), max(until, before.until)
	} else if o.n.Load() >= outboxLimit {
		return nil, errFull
	}
	o.set(k, &sending{w: w, until: until})
	return before, nil
}

// acknowledge records where the store has k. W may have become higher.
func (o *outbox) acknowledge(k exactKey, list Genesis, r Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := sending{w: r.W, list: list, position: r.Position}
	if old, ok := o.items.Load(k); ok {
		s.until = old.(*sending).until
		if w := old.(*sending).w; w > s.w && k.scope != ScopeSession {
			return // a later revocation of the same waits for its own answer
		}
	}
	o.set(k, &s)
}

// withdraw takes back a revocation that the store refused to make.
func (o *outbox) withdraw(k exactKey, before *sending) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if before != nil {
		o.set(k, before)
	} else {
		o.drop(k)
	}
}

// seen lets go of everything the view of that list shows up to m. What was
// acknowledged by a list that is gone has to be sent again.
func (o *outbox) seen(list Genesis, m Position) {
	if o.n.Load() == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, s := range o.all() {
		switch {
		case !s.acknowledged():
		case s.list != list:
			o.set(k, &sending{w: s.w, until: s.until})
		case !m.Before(s.position):
			o.drop(k)
		}
	}
}

// unsent returns what the store has not acknowledged.
func (o *outbox) unsent() map[exactKey]*sending {
	o.mu.Lock()
	defer o.mu.Unlock()
	m := o.all()
	maps.DeleteFunc(m, func(_ exactKey, s *sending) bool { return s.acknowledged() })
	return m
}

func (o *outbox) all() map[exactKey]*sending {
	m := map[exactKey]*sending{}
	o.items.Range(func(k, v any) bool {
		m[k.(exactKey)] = v.(*sending)
		return true
	})
	return m
}

func (o *outbox) set(k exactKey, s *sending) {
	if _, had := o.items.Swap(k, s); !had {
		o.n.Add(1)
	}
}

func (o *outbox) drop(k exactKey) {
	if _, had := o.items.LoadAndDelete(k); had {
		o.n.Add(-1)
	}
}

// kidTags remembers the tags of key ids, which come from the ring and are few.
type kidTags struct {
	known atomic.Pointer[map[string]Tag]
}

func (c *kidTags) tag(t *tagger, kid string) Tag {
	known := c.known.Load()
	if known != nil {
		if tag, ok := (*known)[kid]; ok {
			return tag
		}
	}
	tag := t.of(Key(kid))
	next := map[string]Tag{kid: tag}
	if known != nil && len(*known) < 1024 {
		maps.Copy(next, *known)
	}
	c.known.Store(&next) // one of two at once is lost, and computed again
	return tag
}
