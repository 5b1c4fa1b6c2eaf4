// Package revlog is the contract between the revocation list and the stores that
// keep it. It is for engineers who write a store; applications need only
// revocation.Open, which takes a [Store].
//
// A store keeps a log of revocations in order, the exact set of those in force, and
// a head, which describes the list as a whole. [Memory] is the shortest one, and can
// be given a journal ([Restore]); revlogtest.TestStore says whether a store keeps
// the contract. docs/protocol.md of this module says what rests on it.
package revlog

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A Store keeps one list: its head, its log and the exact set of revocations
// in force. Memory, boltstore and redisstore are stores; revlogtest.TestStore
// is what every store must pass. A Store is safe for concurrent use and may serve
// several Lists.
//
// Every method that names a list checks it before it does anything else, so that
// nothing is added to what is left of a list that was lost: a store without a list,
// or one that lost a part of it, answers [ErrLost]; one that holds another list
// answers [ErrOtherList]. Any other error means that the store did not answer, and
// that a write may or may not have happened.
//
// Stores know no ids and no secrets: they see tags, and carry MACs they cannot
// check.
type Store interface {
	// Create begins a list if there is none, and returns the head there is.
	Create(ctx context.Context, f CreateOptions) (Head, error)
	// Read returns the head and a part of the log.
	Read(ctx context.Context, c Cursor) (Page, error)
	// Write carries out a write, as a whole or not at all.
	Write(ctx context.Context, w Write) (Written, error)
	// Confirm answers a question from the exact set.
	Confirm(ctx context.Context, q Question) (Answer, error)
	// Turn reports whether it is the turn of holder to write back what the store lost,
	// from now on for as long as keep. It is the turn of one at a time, who may ask for
	// it again while he has it, and gives it up with keep 0. Nothing but the work of the
	// store rests on it: it may be forgotten, and need not outlive a restart.
	Turn(ctx context.Context, holder string, keep time.Duration) (bool, error)
}

// A ListID names one list: 128 random bits chosen when it was begun.
type ListID [16]byte

// Layout is the version of the head that this package writes.
const Layout = 1

// Forever is the W of a session: whenever it began, it is revoked.
const Forever int64 = 1<<48 - 1

// A Position is a place in the log: log time in ms, and the number of the
// entry. Numbers are contiguous from 1.
type Position struct {
	MS int64
	N  int64
}

// String returns "<ms>-<n>".
func (p Position) String() string { return fmt.Sprintf("%d-%d", p.MS, p.N) }

// Before orders positions of one list. Positions of two lists do not compare.
func (p Position) Before(o Position) bool { return p.MS < o.MS || p.MS == o.MS && p.N < o.N }

// A Term is the time during which one server is the primary. It starts at the last
// heartbeat of the primary before it, and is opened at the first of its own, both in
// ms of log time. A store that has one server has one term.
type Term struct {
	ID     uint32
	Start  int64
	Opened int64
}

// A Retention says that entries written from From on (ms of log time) are kept for
// Retain.
type Retention struct {
	From   int64
	Retain time.Duration
}

// A Head describes a list. Its slices are not to be changed.
type Head struct {
	Layout int
	ID     ListID
	Check  [16]byte // of the list key
	Born   int64    // the list may lack what a session last checked before it needs, ms
	N      int64    // number of the newest entry
	MS     int64    // log time, never backwards
	Chain  [8]byte  // of the newest entry
	Floor  int64    // chk < Floor asks once (bulk)
	Known  int64    // highest log time a replica had reached in what was lost, ms; 0: nothing was
	// KnownTerm is the term of that moment, 0 if replicas had come to different ones.
	KnownTerm  uint32
	Terms      []Term      // oldest first; the last one is the present one
	Retentions []Retention // oldest first; the last one is in force
}

// Position returns the newest position of the list.
func (h Head) Position() Position { return Position{h.MS, h.N} }

// Term returns the id of the present term, zero if there is none.
func (h Head) Term() uint32 {
	if len(h.Terms) == 0 {
		return 0
	}
	return h.Terms[len(h.Terms)-1].ID
}

// RetainAt returns how long the list remembers for a session last checked at
// chk: the retention in force then, since entries written while a shorter one
// was in force are forgotten sooner.
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

// CreateOptions are what a new list begins with. Anyone may begin one: first use
// and loss need not be told apart, because a list never says "not revoked" about a
// session that was last checked before Born.
type CreateOptions struct {
	ID     ListID
	Check  [16]byte
	Floor  int64 // highest log time the caller knows, ms
	Retain time.Duration
}

// A Cursor says which part of the log to read.
type Cursor struct {
	List    ListID   // zero: whichever there is, for a look at it; a replica names its own
	From    Position // the first position wanted, inclusive
	Limit   int      // at most this many entries
	Floor   int64    // highest log time the caller knows, ms; log time goes on from there at least
	Globals bool     // also return every global entry in force
}

// A Page is a part of the log, oldest first, with the head of the same moment.
type Page struct {
	Head      Head
	Entries   []Entry
	More      bool          // the limit cut the page short
	Oldest    Position      // of the log's oldest entry; zero if it is empty
	Heartbeat time.Duration // age of the last heartbeat; a store with one server has none and says 0
	Globals   []Entry       // without positions, if asked for
}

// A When says how the store finds the W of an assertion.
type When uint8

const (
	AsGiven When = iota // W as it stands: a repetition (JOIN); also of sessions, with Forever
	AtNow               // log time + skew
	Before              // W as it stands, refused with ErrFuture beyond log time
)

// An Assertion is an entry to be written. A W beyond Limit, which the MAC covers, is
// refused with a [LimitError].
type Assertion struct {
	Scope   Scope
	Tag     Tag
	When    When
	W       int64
	Until   int64 // keep at least until this log time, ms; zero: the retention decides, never W
	Version byte
	Effect  byte
	Params  string
	Limit   int64
	MAC     [8]byte
	// Over is the MAC of what the exact set holds in this place and readers do not
	// believe, so that it is replaced whatever its W. Empty: nothing is.
	Over string
}

// Entry returns the entry that a becomes, so far as the writer knows.
func (a Assertion) Entry() Entry {
	e := Entry{
		Version: a.Version, Effect: a.Effect, Scope: a.Scope, Tag: a.Tag, Params: a.Params,
		Limit: a.Limit, MAC: a.MAC, W: a.W, Until: a.Until,
	}
	if a.Scope == ScopeSession {
		e.Limit, e.W = Forever, Forever
	}
	return e
}

// Again returns e as an assertion, so that somebody who believes it can write it back.
func (e Entry) Again() Assertion {
	return Assertion{
		Scope: e.Scope, Tag: e.Tag, W: e.W, Until: e.Until,
		Version: e.Version, Effect: e.Effect, Params: e.Params, Limit: e.Limit, MAC: e.MAC,
	}
}

// A Write is an [Append], a [Succession], a [Repair] or a [Bulk]. Each is done at once
// and in order, or not at all, and makes log time go on from its Floor at least, the
// highest log time that the writer knows.
type Write interface {
	// Asserts returns the assertions of the write.
	Asserts() []Assertion
	// With returns the same write with other assertions.
	With(all []Assertion) Write
	isWrite()
}

// A Request numbers a write, so that it can be sent again when its answer was lost: a
// store that has carried out a write of that number in the last minute changes nothing
// and returns the first answer. Zero: the write has no number.
type Request [16]byte

// An Append adds revocations to the log and to the exact set. What the exact set holds
// already, with a W at least as high, is not written again.
type Append struct {
	List       ListID
	Floor      int64
	Skew       time.Duration // what AtNow adds
	Assertions []Assertion
	Request    Request // so that AtNow does not become later when it is sent again
	Ack        Ack
}

// A Succession is an Append that is made only if the answer to Unless is "not revoked"
// ([FoundNothing]), so that a session that was revoked meanwhile gets no successor. A
// primary that has not opened its term yet gives no answer at all: nobody has
// followed it so far, and it may lack what its predecessor took.
type Succession struct {
	List       ListID
	Floor      int64
	Skew       time.Duration
	Unless     Question
	Assertions []Assertion
	Then       Question // answered after the assertions were written, in the same moment
	Request    Request  // without it, one that is sent again finds the session that it ended
	Ack        Ack
}

// A Repair says what the list lacks, and writes back what the writer knows. It raises
// values of the head; lower ones change nothing.
type Repair struct {
	List  ListID
	Floor int64
	// Known: the list lacks something that the writer had read, up to this log time
	// and in KnownTerm. If it claimed to be complete from before then, whatever was
	// stamped since by those who believed it is in doubt: Born becomes log time, not
	// Known.
	Known     int64
	KnownTerm uint32
	Born      int64
	Retain    time.Duration
	Recheck   bool // Floor of the head := log time
	// Assertions are entries as they were, with their W. They are appended like others.
	Assertions []Assertion
}

// A Bulk is a part of very many revocations. It goes into the exact set alone, and log
// time stays: replicas learn of it only by asking, so the last part raises the Floor of
// the head. Until it did, nobody need know of the others: when one of them is appended
// to the log, that is an entry, although the exact set does not change.
type Bulk struct {
	List       ListID
	Floor      int64
	Skew       time.Duration
	Assertions []Assertion
	Recheck    bool // Floor of the head := log time
	Ack        Ack
}

func (w Append) Asserts() []Assertion     { return w.Assertions }
func (w Succession) Asserts() []Assertion { return w.Assertions }
func (w Repair) Asserts() []Assertion     { return w.Assertions }
func (w Bulk) Asserts() []Assertion       { return w.Assertions }

func (w Append) With(all []Assertion) Write     { w.Assertions = all; return w }
func (w Succession) With(all []Assertion) Write { w.Assertions = all; return w }
func (w Repair) With(all []Assertion) Write     { w.Assertions = all; return w }
func (w Bulk) With(all []Assertion) Write       { w.Assertions = all; return w }

func (Append) isWrite()     {}
func (Succession) isWrite() {}
func (Repair) isWrite()     {}
func (Bulk) isWrite()       {}

// An Ack says when a write counts as acknowledged. The zero Ack is "stored": the
// primary has it, and may lose it in a failover.
type Ack struct {
	Replicas int           // how many replicas must hold it too
	Timeout  time.Duration // how long to wait for them; zero: 500 ms
}

// A Result tells what became of one assertion.
type Result struct {
	Position Position // of the entry; of the head if nothing changed, as when it is said twice
	Changed  bool
	W        int64 // in force now
	// Held is what was there and stays in force instead of what was asserted, with its
	// proof. It has no version if nothing does.
	Held Entry
}

// Written tells what became of a write. Refused and Then are of a Succession.
type Written struct {
	Head     Head
	Results  []Result // one for each assertion
	Replicas int      // that acknowledged
	Refused  *Answer  // to Unless, if that kept the write from being made
	Then     Answer
}

// A Question names everything that could revoke one session.
type Question struct {
	List    ListID
	Session Tag   // zero: none
	Subject Tag   // zero: none
	Groups  []Tag // at most 8
	Keys    []Tag // at most 2
	Epoch   int64
	Checked int64
	Skew    time.Duration // what AtNow adds, and the tolerance for Epoch and Checked
}

// names returns what q asks about, in the order in which it is a reason to refuse.
func (q Question) names() (all []Key) {
	if q.Session != (Tag{}) {
		all = append(all, Key{ScopeSession, q.Session})
	}
	all = append(all, Key{Scope: ScopeEveryone})
	if q.Subject != (Tag{}) {
		all = append(all, Key{ScopeSubject, q.Subject})
	}
	for _, t := range q.Groups {
		all = append(all, Key{ScopeGroup, t})
	}
	for _, t := range q.Keys {
		all = append(all, Key{ScopeKey, t})
	}
	return all
}

// Names reports whether q asks about k.
func (q Question) Names(k Key) bool { return slices.Contains(q.names(), k) }

// An Answer holds what is in force of everything asked for.
type Answer struct {
	Head      Head
	Now       int64         // max(the store's clock, log time), ms
	Heartbeat time.Duration // age of the last heartbeat
	Found     []Entry       // without positions, with their proofs
}

// W returns the W in force of k, 0 for none.
func (a Answer) W(k Key) (w int64) {
	for _, e := range a.Found {
		if e.Scope == k.Scope && e.Tag == k.Tag {
			w = max(w, e.W)
		}
	}
	return w
}

// Highest returns the highest W of subject, groups and everyone.
func (a Answer) Highest() (w int64) {
	for _, e := range a.Found {
		if e.Scope == ScopeSubject || e.Scope == ScopeGroup || e.Scope == ScopeEveryone {
			w = max(w, e.W)
		}
	}
	return w
}

// Closes reports whether log time has to go on by 1 ms after a was given. Watermarks
// share a ms with what came before, as long as nobody was told a login time in it that
// lies past them, or asked for the time: now is the store's clock.
func (a Answer) Closes(q Question, now int64) bool {
	switch {
	case q.Session != Tag{}:
		return false
	case q.Subject == Tag{} && len(q.Groups) == 0:
		return a.Head.MS >= now
	}
	return a.Highest() == a.Head.MS+q.Skew.Milliseconds()
}

// Judge decides q from a, and says by which scope a session is revoked. Scopes
// combine by OR: a revocation of one scope never hides another's.
func (a Answer) Judge(q Question) (Finding, Scope) {
	for _, k := range q.names() {
		if w := a.W(k); w > 0 && (w >= q.Epoch || k.Scope == ScopeSession || k.Scope == ScopeKey) {
			return FoundRevoked, k.Scope
		}
	}
	skew := q.Skew.Milliseconds()
	switch {
	case q.Epoch > a.Now+skew:
		return FoundAhead, 0
	case q.Checked < a.Head.Born || q.Checked > a.Head.MS+skew:
		return FoundUnknown, 0
	}
	return FoundNothing, 0
}

// A Finding is what the exact set says of a question.
type Finding uint8

const (
	FoundNothing Finding = iota // not revoked
	FoundRevoked
	FoundUnknown // the store is not complete for a session last checked then
	FoundAhead   // the session claims to have begun after now
)
