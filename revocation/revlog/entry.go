package revlog

import "encoding/binary"

const (
	// EntryVersion is the first byte of the entries that this release writes. The upper four
	// bits are the version, 1. The lower four bits are the lowest version of a reader that
	// understands the entry.
	EntryVersion byte = 0x11
	// MaxParams is the highest number of bytes of an entry's parameters.
	MaxParams = 64
	// CanaryParams are the parameters of a canary, see [Entry.Canary].
	CanaryParams = "canary"

	reader = 1 // the version of this release as a reader
)

// An Entry is one revocation as the log and the exact set hold it, or, by its effect, what is asked of
// sessions that go on.
type Entry struct {
	Position Position // in the log
	Version  byte     // see [EntryVersion]
	Effect   byte     // see [Effect.Byte]
	Scope    Scope
	Quiet    bool // in the exact set: the log has no such entry
	Tag      Tag
	Params   string // used by later versions; readers that do not understand them pass them on
	Limit    int64  // the highest W that the writer allows; Forever for a session that ends
	MAC      [8]byte
	W        int64   // the watermark: it is about sessions that began at or before it; Forever for a session that ends
	Until    int64   // the store may forget the entry after this log time, ms
	Chain    [8]byte // in the log: hash of this entry and all before it
}

// Key returns the scope, tag and effect of e.
func (e Entry) Key() Key { return Key{e.Scope, e.Tag, e.Does()} }

// Does returns the effect of e.
func (e Entry) Does() Effect { return Effect(e.Effect>>4) - 1 }

// Canary reports whether e only measures how long a revocation takes. It revokes a subject that
// nobody has, and is otherwise like every other entry.
func (e Entry) Canary() bool { return e.Scope == ScopeSubject && e.Params == CanaryParams }

// Understood reports whether this release knows what e means.
func (e Entry) Understood() bool {
	lowest, does := e.Version&15, e.Does()
	return lowest > 0 && lowest <= reader && lowest <= e.Version>>4 &&
		e.Effect == does.Byte() && does.suits(e.Scope) && (does != EndSlowly || e.Over() > 0)
}

// AppendSigned appends the bytes that the MAC of e covers: version (1 byte), effect (1), scope (1),
// tag (16), length of the parameters (1), the parameters, and the limit (6), which an entry that ends
// one session does not have.
func (e Entry) AppendSigned(b []byte) []byte {
	b = append(b, e.Version, e.Effect, byte(e.Scope))
	b = append(b, e.Tag[:]...)
	b = append(b, byte(len(e.Params)))
	b = append(b, e.Params...)
	if e.Key().Bare() {
		return b
	}
	var limit [8]byte
	binary.BigEndian.PutUint64(limit[:], uint64(min(max(e.Limit, 0), Forever)))
	return append(b, limit[2:]...)
}

// AppendPacked appends e as stores keep it: the signed bytes and the MAC. W, until and position are
// chosen by the store, which keeps them beside these bytes.
func (e Entry) AppendPacked(b []byte) []byte { return append(e.AppendSigned(b), e.MAC[:]...) }

// ParsePacked reads what AppendPacked wrote, and returns the bytes that follow it. Entries of every
// version have this form, and no version is 0. [Entry.Understood] says whether their meaning is known.
func ParsePacked(b []byte) (e Entry, rest []byte, ok bool) {
	if len(b) < 20 || b[0] == 0 {
		return Entry{}, b, false
	}
	e.Version, e.Effect, e.Scope = b[0], b[1], Scope(b[2])
	copy(e.Tag[:], b[3:])
	params, limit := int(b[19]), 6
	if e.Key().Bare() {
		e.Limit, limit = Forever, 0
	}
	rest = b[20:]
	if params > MaxParams || len(rest) < params+limit+len(e.MAC) {
		return Entry{}, b, false
	}
	e.Params, rest = string(rest[:params]), rest[params:]
	if limit > 0 {
		e.Limit = int64(binary.BigEndian.Uint16(rest))<<32 | int64(binary.BigEndian.Uint32(rest[2:]))
	}
	rest = rest[limit:]
	return e, rest[copy(e.MAC[:], rest):], true
}
