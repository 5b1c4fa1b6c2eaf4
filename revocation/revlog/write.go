package revlog

import "time"

// A When says how the store determines the W of an assertion.
type When uint8

const (
	AsGiven When = iota // the given W, as when an entry is written back; sessions use it with Forever
	AtNow               // log time plus the skew of the write
	Before              // the given W; refused with ErrFuture if it is later than log time
)

// An Assertion is an entry to be written. The store refuses a W above Limit, which the MAC covers,
// with a [LimitError].
type Assertion struct {
	Scope   Scope
	Tag     Tag
	When    When
	W       int64
	Until   int64 // keep the entry at least until this log time, ms; zero: the retention decides, not W
	Version byte
	Effect  byte
	Params  string
	Limit   int64
	MAC     [8]byte
	// Over is the MAC of an entry in the exact set, with the same scope, tag and effect, whose proof is
	// wrong. The store replaces that entry, whatever its W. Empty: it replaces none this way.
	Over string
}

// Entry returns the entry that a becomes, as far as the writer knows it.
func (a Assertion) Entry() Entry {
	e := Entry{
		Version: a.Version, Effect: a.Effect, Scope: a.Scope, Tag: a.Tag, Params: a.Params,
		Limit: a.Limit, MAC: a.MAC, W: a.W, Until: a.Until,
	}
	if e.Key().Bare() {
		e.Limit, e.W = Forever, Forever
	}
	return e
}

// Again returns e as an assertion, for a replica that writes e back after it has checked the proof.
func (e Entry) Again() Assertion {
	return Assertion{
		Scope: e.Scope, Tag: e.Tag, W: e.W, Until: e.Until,
		Version: e.Version, Effect: e.Effect, Params: e.Params, Limit: e.Limit, MAC: e.MAC,
	}
}

// A Write is an [Append], a [Succession], a [Repair] or a [Bulk]. The store carries it out in order
// and at one moment, or not at all. Log time moves at least to the Floor of the write, which is the
// highest log time that the writer knows.
type Write interface {
	// Asserts returns the assertions of the write.
	Asserts() []Assertion
	// With returns the same write with other assertions.
	With(all []Assertion) Write
	isWrite()
}

// A Request is the number of a write. With it, a write can be sent again after its answer was lost:
// a store that has carried out a write with this number in the last minute changes nothing and
// returns the first answer. Zero: the write has no number.
type Request [16]byte

// An Append adds revocations to the log and to the exact set. The store does not write a revocation
// again that the exact set already holds with the same or a higher W.
type Append struct {
	List       ListID
	Floor      int64
	Skew       time.Duration // what AtNow adds
	Assertions []Assertion
	Request    Request // keeps AtNow from becoming later when the write is sent again
	Ack        Ack
}

// A Succession is an Append that the store carries out only if the answer to Unless is "not
// revoked" ([FoundNothing]). So a session that was revoked in the meantime gets no successor. A
// primary that has not opened its term yet does not answer: no replica has followed it so far, and
// it may lack revocations that the previous primary took.
type Succession struct {
	List       ListID
	Floor      int64
	Skew       time.Duration
	Unless     Question
	Assertions []Assertion
	Then       Question // answered after the assertions are written, at the same moment
	Request    Request  // without it, a Succession that is sent again finds the session that it ended
	Ack        Ack
}

// A Repair says what the list lacks, and writes back what the writer knows. It raises values of the
// head. Lower values change nothing.
type Repair struct {
	List  ListID
	Floor int64
	// Known reports a loss: the store no longer has entries that the writer had read, up to
	// this log time and in KnownTerm. If Born is before Known, the store sets Born to log time,
	// not to Known: other replicas may have checked sessions against the incomplete list in
	// between, so those checks are in doubt.
	Known     int64
	KnownTerm uint32
	Born      int64
	Retain    time.Duration
	Recheck   bool // set Floor of the head to log time
	// Assertions are entries as they were, with their W. The store appends them like others.
	Assertions []Assertion
}

// A Bulk is one part of very many revocations. The store writes it to the exact set alone, and log
// time stays. Replicas learn of it only by asking, so the last part raises the Floor of the head.
// Until then, replicas may know none of these revocations. An Append of one of them therefore makes
// a log entry, although the exact set does not change.
type Bulk struct {
	List       ListID
	Floor      int64
	Skew       time.Duration
	Assertions []Assertion
	Recheck    bool // set Floor of the head to log time
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

// An Ack says when a write counts as acknowledged. The zero Ack is "stored": the primary has the
// write, and may lose it in a failover.
type Ack struct {
	Replicas int           // how many replicas of the store must hold the write too
	Timeout  time.Duration // how long to wait for them; zero: 500 ms
}

// A Result is the outcome of one assertion.
type Result struct {
	Position Position // of the entry, or of the head if nothing changed, as for a revocation made twice
	Changed  bool
	W        int64 // the W in force now
	// Held is the entry that was there and stays in force in place of the assertion, with its
	// proof. If the assertion took effect, Version of Held is zero.
	Held Entry
}

// Written is the outcome of a write. Only a Succession has Refused and Then.
type Written struct {
	Head     Head
	Results  []Result // one for each assertion
	Replicas int      // replicas of the store that acknowledged the write
	Refused  *Answer  // the answer to Unless, if it prevented the write
	Then     Answer   // the answer to Then
}
