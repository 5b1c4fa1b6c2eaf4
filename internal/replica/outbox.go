package replica

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	outboxLimit  = 1 << 16 // revocations that wait for the store
	subjectLimit = 64      // of sessions of one subject; more become one of the subject
)

// An outbox holds the revocations that this replica made, of every effect, until its own view
// shows them. The replica refuses what they end, and asks what they ask, at once and whatever
// the store does, and sends them until the store has them (R20).
//
// mu serialises changes and owns the fields below it. Decisions and unsent read without it.
type outbox struct {
	n     atomic.Int64
	items sync.Map // exactKey → *sending

	mu      sync.Mutex
	waiting map[revlog.Tag]int // sessions that were missed, by their subject
	closed  bool               // it is sent for the last time, and takes nothing more
}

// A sending is one revocation in the outbox. It is immutable.
type sending struct {
	w, until int64
	params   string     // of the entry
	subject  revlog.Tag // of a session, if the caller said whose it is
	missed   bool       // the store was asked, and did not acknowledge it
	at       place      // once the store acknowledged it; zero before
	made     bool       // it is this replica that made the entry in the store
	// skipped is when a view first went past that entry without showing it: the view began
	// after it, or the log lost it. Zero: no view did.
	skipped time.Time
}

// A place is the state of a log right after a write.
type place struct {
	list  revlog.ListID
	n     int64 // of the newest entry
	chain [8]byte
	heard time.Time // when this replica learned that it is acknowledged
}

func placeOf(h revlog.Head) place { return place{h.ID, h.N, h.Chain, time.Now()} }

// placed returns the place of what w wrote. It counts as acknowledged once as many store
// replicas hold it as ack asks for.
func placed(w revlog.Written, ack revlog.Ack) place {
	p := placeOf(w.Head)
	if w.Replicas < ack.Replicas {
		p.heard = time.Time{}
	}
	return p
}

func (s *sending) acknowledged() bool { return !s.at.heard.IsZero() }

// unacknowledged returns s as a revocation to be sent again.
func (s *sending) unacknowledged() *sending {
	return &sending{w: s.w, until: s.until, params: s.params, subject: s.subject, missed: true, made: s.made, skipped: s.skipped}
}

// sees looks for k in the revocations that this replica made itself.
func (o *outbox) sees(k revlog.Key, epoch int64) finding { return upTo(o.w(k), epoch) }

// w returns the W of k, or -1.
func (o *outbox) w(k revlog.Key) int64 {
	if s := o.get(k); s != nil {
		return s.w
	}
	return -1
}

// entry returns what waits for k, as far as decisions need it, or an entry without W.
func (o *outbox) entry(k revlog.Key) revlog.Entry {
	s := o.get(k)
	if s == nil {
		return revlog.Entry{}
	}
	return revlog.Entry{Effect: k.Effect.Byte(), Scope: k.Scope, Tag: k.Tag, Params: s.params, W: s.w}
}

// put adds a revocation that the store has not acknowledged. It returns the new item, for
// acknowledge, miss or withdraw, and the one that it replaced.
func (o *outbox) put(k revlog.Key, s sending) (mine, before *sending, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, nil, ErrClosed
	}
	if before = o.get(k); before != nil {
		s.w, s.until, s.missed, s.skipped = max(s.w, before.w), max(s.until, before.until), before.missed, before.skipped
		s.made = before.made
	} else if o.n.Load() >= outboxLimit {
		return nil, nil, ErrOutboxFull
	}
	o.set(k, &s)
	return &s, before, nil
}

// close makes put return [ErrClosed].
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
}

// add holds what the store has acknowledged already, until the view shows it. It may exceed
// the limit for that moment.
func (o *outbox) add(k revlog.Key, s sending, at place, r revlog.Result) {
	o.mu.Lock()
	if o.get(k) == nil {
		o.set(k, &s)
	}
	o.mu.Unlock()
	o.acknowledge(k, &s, at, r)
}

// full reports whether as many sessions of a subject wait for the store as may wait.
// Revocations on their first way to the store do not count: a store that answers takes any
// number.
func (o *outbox) full(subject revlog.Tag) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.waiting[subject] >= subjectLimit
}

// miss records that the store did not acknowledge mine, which put returned.
func (o *outbox) miss(k revlog.Key, mine *sending) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.get(k) == mine {
		o.set(k, mine.unacknowledged())
	}
}

// acknowledge records the store's answer to mine, which put returned. The store's watermark
// counts, which is never lower than the one asked for. If the place was not heard, too few
// store replicas hold the write, and it is sent again.
func (o *outbox) acknowledge(k revlog.Key, mine *sending, at place, r revlog.Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &sending{w: r.W, until: mine.until, params: mine.params, subject: mine.subject, missed: at.heard.IsZero(), made: mine.made || r.Changed, at: at}
	if !r.Changed { // else there is an entry, which views will show
		s.skipped = mine.skipped
	}
	switch now := o.get(k); {
	case now == mine:
		if r.W < mine.w {
			return // the item that mine replaced goes further, and must still be sent
		}
	case now == nil: // another answer came first, and the view shows that one
	case r.W <= now.w:
		return
	case !now.acknowledged():
		s = &sending{w: r.W, until: now.until, params: now.params, subject: now.subject, missed: now.missed} // a later revocation waits for its own answer
	}
	o.set(k, s)
}

// withdraw removes mine, which the store refused to make, and puts back the item that it
// replaced.
func (o *outbox) withdraw(k revlog.Key, mine, before *sending) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.get(k) != mine:
	case before != nil:
		o.set(k, before)
	default:
		o.drop(k)
	}
}

// seen drops everything that v shows. What a list acknowledged that is gone, or a primary
// that lost its newest entries, must be sent again: writing it twice changes nothing. If the
// store has it all the same, the view began after its entry, and only the outbox knows it if
// the store loses it later.
func (o *outbox) seen(v *view) {
	if o.n.Load() == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.items.Range(func(key, value any) bool {
		k, s := key.(revlog.Key), value.(*sending)
		switch {
		case !s.acknowledged():
		case s.at.list == v.head.ID && v.m.N < s.at.n && !v.sent.After(s.at.heard):
			// It was not read yet. But a view that was read later and is still behind
			// follows a log that lost the entry, however far its log time is.
		case !v.shows(s.at), s.made && s.skipped.IsZero() && v.last.MS == 0:
			again := s.unacknowledged()
			if again.skipped.IsZero() {
				again.skipped = time.Now()
			}
			o.set(k, again)
		case !s.made || s.skipped.IsZero() || v.has(k, s.w) || time.Since(s.skipped) > v.memory():
			o.drop(k)
		}
		return true
	})
}

// unsent returns at most limit revocations that the store has not acknowledged, those first
// that it does not have at all.
func (o *outbox) unsent(limit int) map[revlog.Key]*sending {
	m := map[revlog.Key]*sending{}
	for _, stored := range []bool{false, true} {
		o.items.Range(func(k, v any) bool {
			if s := v.(*sending); !s.acknowledged() && (s.at.list != revlog.ListID{}) == stored && len(m) < limit {
				m[k.(revlog.Key)] = s
			}
			return len(m) < limit
		})
	}
	return m
}

func (o *outbox) get(k revlog.Key) *sending {
	v, _ := o.items.Load(k)
	s, _ := v.(*sending)
	return s
}

func (o *outbox) set(k revlog.Key, s *sending) {
	old, had := o.items.Swap(k, s)
	if !had {
		o.n.Add(1)
	} else {
		o.count(old.(*sending), -1)
	}
	o.count(s, 1)
}

// count keeps waiting up to date. The caller holds mu.
func (o *outbox) count(s *sending, by int) {
	if s.subject == (revlog.Tag{}) || !s.missed {
		return
	}
	if o.waiting == nil {
		o.waiting = map[revlog.Tag]int{}
	}
	if o.waiting[s.subject] += by; o.waiting[s.subject] == 0 {
		delete(o.waiting, s.subject)
	}
}

func (o *outbox) drop(k revlog.Key) {
	if old, had := o.items.LoadAndDelete(k); had {
		o.n.Add(-1)
		o.count(old.(*sending), -1)
	}
}

// kidTags remembers the tags of key ids, which come from the ring and are few.
type kidTags struct {
	known atomic.Pointer[map[string]revlog.Tag]
}

func (c *kidTags) tag(t *tagger, kid string) revlog.Tag {
	known := c.known.Load()
	if known != nil {
		if tag, ok := (*known)[kid]; ok {
			return tag
		}
	}
	tag := t.of(revlog.ScopeKey, kid)
	next := map[string]revlog.Tag{kid: tag}
	if known != nil && len(*known) < 1024 {
		maps.Copy(next, *known)
	}
	c.known.Store(&next) // one of two at once is lost, and computed again
	return tag
}
