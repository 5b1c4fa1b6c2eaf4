// Package revlog is the contract between the revocation list and the stores that
// keep it. It is for engineers who write a store; applications need only
// revocation.Open, which takes a [Store].
//
// A store keeps a log of revocations in order, the exact set of those in force, and a head, which
// describes the list as a whole. [Memory] is the shortest store, and [Restore] gives it a journal.
// revlogtest.TestStore tests whether a store keeps the contract. docs/protocol.md of this module
// explains the words used here, and says what the list needs of a store and why.
package revlog

import (
	"context"
	"fmt"
	"time"
)

// A Store keeps one list: its head, its log and the exact set of entries in force. Memory,
// boltstore and redisstore are stores. Every store must pass revlogtest.TestStore. A Store is safe
// for concurrent use and may serve several Lists.
//
// A method that names a list checks the list before it does anything else. A store that has no
// list, or has lost a part of it, returns [ErrLost]. A store that holds another list returns
// [ErrOtherList]. So nothing is ever added to the remains of a lost list. Any other error means
// that the store did not answer, and that a write may or may not have happened.
//
// Stores know no ids and no secrets. They see tags, and keep MACs that they cannot check.
type Store interface {
	// Create creates a list if the store has none, and returns the head of the list.
	Create(ctx context.Context, f CreateOptions) (Head, error)
	// Read returns the head and a part of the log.
	Read(ctx context.Context, c Cursor) (Page, error)
	// Write carries out a write, as a whole or not at all.
	Write(ctx context.Context, w Write) (Written, error)
	// Confirm answers a question from the exact set.
	Confirm(ctx context.Context, q Question) (Answer, error)
	// Turn asks for the turn to write back what the store lost, for as long as keep, and
	// reports whether holder has it. One holder has the turn at a time. That holder may ask
	// again while it has the turn, and gives it up with keep 0. Turns only save the store
	// work: a store may forget them, and need not keep them over a restart.
	Turn(ctx context.Context, holder string, keep time.Duration) (bool, error)
}

// A ListID names one list: 128 random bits, chosen when the list was created.
type ListID [16]byte

// Layout is the version of the head that this package writes.
const Layout = 1

// Forever is the W of a session or key that ends: sessions are revoked whenever they began.
const Forever int64 = 1<<48 - 1

// A Position is a place in the log: log time in ms, and the number of the entry. Numbers count from
// 1 without gaps.
type Position struct {
	MS int64
	N  int64
}

// String returns "<ms>-<n>".
func (p Position) String() string { return fmt.Sprintf("%d-%d", p.MS, p.N) }

// Before orders positions of one list. Positions of two lists do not compare.
func (p Position) Before(o Position) bool { return p.MS < o.MS || p.MS == o.MS && p.N < o.N }

// A Term is the time during which one server is the primary. It starts at the last heartbeat of the
// previous primary, and is opened at the first heartbeat of its own, both in ms of log time. A
// store with one server has one term.
type Term struct {
	ID     uint32
	Start  int64
	Opened int64
}

// A Retention says that the store keeps entries written from From on (ms of log time) for Retain.
type Retention struct {
	From   int64
	Retain time.Duration
}

// A Head describes a list. Do not change its slices.
type Head struct {
	Layout int
	ID     ListID
	Check  [16]byte // of the list key
	Born   int64    // for a session last checked before it, the list may lack something, ms
	N      int64    // number of the newest entry
	MS     int64    // log time, never backwards
	Chain  [8]byte  // of the newest entry
	Floor  int64    // a session last checked before it is looked up once (Bulk), ms
	Known  int64    // how far some replica had read what the store lost, ms; 0: nothing was lost
	// KnownTerm is the term of Known, or 0 if replicas name different terms.
	KnownTerm  uint32
	Terms      []Term      // oldest first; the last one is the present term
	Retentions []Retention // oldest first; the last one is in force
}

// Position returns the newest position of the list.
func (h Head) Position() Position { return Position{h.MS, h.N} }

// Term returns the id of the present term, or zero without a list.
func (h Head) Term() uint32 {
	if len(h.Terms) == 0 {
		return 0
	}
	return h.Terms[len(h.Terms)-1].ID
}

// RetainAt returns how long the list remembers for a session last checked at chk: the retention in
// force at chk. Entries that were written under a shorter retention are forgotten sooner.
func (h Head) RetainAt(chk int64) time.Duration {
	var d time.Duration
	for i, r := range h.Retentions {
		if i == 0 || r.From <= chk {
			d = r.Retain
		}
	}
	return d
}

// Retain returns the retention in force now.
func (h Head) Retain() time.Duration {
	if len(h.Retentions) == 0 {
		return 0
	}
	return h.Retentions[len(h.Retentions)-1].Retain
}

// CreateOptions are the first values of a new list. Any replica may create one. It need not know
// whether the store is new or has lost its list, because a list never says "not revoked" about a
// session that was last checked before Born.
type CreateOptions struct {
	ID     ListID
	Check  [16]byte
	Floor  int64 // highest log time the caller knows, ms
	Retain time.Duration
}

// A Cursor says which part of the log to read.
type Cursor struct {
	List    ListID   // zero: the list that the store holds, for tools; a replica names its own list
	From    Position // read from this position on, inclusive
	Limit   int      // at most this many entries
	Floor   int64    // highest log time the caller knows, ms; log time moves at least this far
	Globals bool     // also return every global entry in force
}

// A Page is a part of the log, oldest first, with the head of the same moment.
type Page struct {
	Head      Head
	Entries   []Entry
	More      bool          // Limit cut the page short
	Oldest    Position      // of the oldest entry in the log; zero if the log is empty
	Heartbeat time.Duration // age of the last heartbeat; 0 for a store with one server, which has no heartbeat
	Globals   []Entry       // if the cursor asks for them; they have no positions
	// Clock is the clock of the store when the page arrived, as exactly as the store knows it: never
	// earlier, and later by no more than the read took. It measures and decides nothing. ms; 0: not
	// known.
	Clock int64
	// Roll counts the calls of Registrar.CallRoll. 0 for a store that is not a Registrar.
	Roll int64
}
