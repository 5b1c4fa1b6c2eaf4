package revlog

import (
	"encoding/hex"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// An Effect is what an entry does to the sessions that it names. The entries of one scope and tag
// with different effects do not touch each other: each has its own watermark. Byte returns how an
// Effect is written.
type Effect uint8

const (
	// End ends them.
	End Effect = iota
	// EndSlowly ends them one after another, see [Entry.Over]. Only of groups and of everyone.
	EndSlowly
	// RequireLogin locks them until a login begins another session.
	RequireLogin
	// Reload has the data in them loaded again before they are used.
	Reload
)

// An effectSet is a set of effects, also of those that this release does not know.
type effectSet uint32

// with returns s with e. An entry has one of sixteen effects, from -1 on as an Effect counts: the first
// of them is none (see [Effect.Byte]).
func (s effectSet) with(e Effect) effectSet { return s | 1<<(e+1) }

// all yields the effects in s.
func (s effectSet) all(yield func(Effect) bool) {
	for ; s != 0; s &= s - 1 {
		if !yield(Effect(bits.TrailingZeros32(uint32(s))) - 1) {
			return
		}
	}
}

// Byte returns e as the second byte of an entry has it: the effect plus 1 in the upper four bits. The
// lower four bits are the origin, 0, which is this deployment.
func (e Effect) Byte() byte { return byte(e+1) << 4 }

// String returns "end", "end_slowly", "require_login" or "reload".
func (e Effect) String() string {
	names := [...]string{"end", "end_slowly", "require_login", "reload"}
	if int(e) < len(names) {
		return names[e]
	}
	return "effect(" + strconv.Itoa(int(e)+1) + ")"
}

// suits reports whether an entry of scope s can have the effect e.
func (e Effect) suits(s Scope) bool {
	switch e {
	case End:
		return s.Known()
	case EndSlowly:
		return s == ScopeGroup || s == ScopeEveryone
	case RequireLogin, Reload:
		return s.Known() && s != ScopeKey
	}
	return false
}

const overPrefix = "over="

// MaxOver is the longest time that [EndSlowly] may take.
const MaxOver = 24 * time.Hour

// OverParams returns the parameters of an entry that ends sessions over the time d. id is random, and
// tells two revocations with the same words apart: another one is in the way, and the same one that is
// sent again is not.
func OverParams(d time.Duration, id [8]byte) string {
	return overPrefix + strconv.FormatInt(d.Milliseconds(), 10) + "-" + hex.EncodeToString(id[:])
}

// Over returns over how long e ends sessions. It is 0 unless the effect of e is [EndSlowly].
func (e Entry) Over() time.Duration {
	digits, id, _ := strings.Cut(strings.TrimPrefix(e.Params, overPrefix), "-")
	ms, err := strconv.ParseInt(digits, 10, 64)
	raw, bad := hex.DecodeString(id)
	if err != nil || bad != nil || len(raw) != 8 || e.Does() != EndSlowly {
		return 0
	}
	d := time.Duration(min(max(ms, 0), MaxOver.Milliseconds())) * time.Millisecond
	if OverParams(d, [8]byte(raw)) != e.Params {
		return 0
	}
	return d
}

// Out returns the log time at which e, with the effect [EndSlowly], ends the session with this tag,
// if it names it. It lies between W and W plus Over, evenly over all tags, which are random.
func (e Entry) Out(session Tag) int64 {
	part := int64(session[0])<<16 | int64(session[1])<<8 | int64(session[2])
	return e.W + e.Over().Milliseconds()*part>>24
}

// Asks is what entries that do not end a session ask of it, as a set.
type Asks uint8

const (
	AsksLogin  Asks = 1 << iota // RequireLogin: the user has to log in
	AsksReload                  // Reload: the data of the session has to be loaded again
	Ending                      // EndSlowly: the session ends soon
)

// Asks returns what an entry with the effect e asks of a session that it names.
func (e Effect) Asks() Asks {
	switch e {
	case EndSlowly:
		return Ending
	case RequireLogin:
		return AsksLogin
	case Reload:
		return AsksReload
	}
	return 0
}
