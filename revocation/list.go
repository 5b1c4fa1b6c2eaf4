package revocation

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Config of a List.
type Config struct {
	// MaxIdle is the longest idle limit of any session this process makes, or its
	// absolute limit where idle is off. The list remembers at least this long.
	// Zero: 2 h.
	MaxIdle time.Duration
	// Within, S in the documentation: a revocation is refused by every replica that reaches the store
	// this long after it was acknowledged. Zero: 2 s.
	Within time.Duration
	// Grace, G in the documentation: how long a replica that cannot reach the store goes on accepting
	// the sessions its window can decide. Zero: 30 min.
	Grace time.Duration
	// Ack says when a revocation counts as acknowledged. Zero: when stored.
	Ack Ack
	// StartWithoutStore lets Open return at once when the store does not answer. Until it
	// does, the list is booting and knows of no revocation: no session is accepted, none
	// begins, and Ready is false. Then it joins the list by itself. A list of another key
	// ring, found only then, is logged as an error, and the list never gets ready. Zero:
	// Open waits for the store.
	StartWithoutStore bool
	// Report adds to what this replica says of itself, such as the ids of its keys:
	// "wafer revocations stats" has a column for "keys". Zero: nothing.
	Report func() map[string]string
	// Logger gets what an operator should see. Zero: slog.Default().
	Logger *slog.Logger
}

func (c Config) maxIdle() time.Duration { return orDefault(c.MaxIdle, 2*time.Hour) }
func (c Config) within() time.Duration  { return orDefault(c.Within, 2*time.Second) }
func (c Config) grace() time.Duration   { return orDefault(c.Grace, 30*time.Minute) }

func (c Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.Default()
	}
	return c.Logger
}

// retain is how long an entry must be remembered: a token minted just before it
// dies of idleness at most this much later (docs/protocol.md, R4).
func (c Config) retain() time.Duration { return c.maxIdle() + c.grace() + c.within() }

// renewal is the longest time between two renewals of an active session, of any
// process: all of them are idle for less than the list remembers.
func renewal(retain time.Duration) time.Duration {
	return min(max(retain/10, time.Minute), 5*time.Minute, retain/2)
}

func orDefault(d, zero time.Duration) time.Duration {
	if d == 0 {
		return zero
	}
	return d
}

// Options of a revocation.
type Options struct {
	// Before: only sessions that began at or before it. It may not lie in the
	// future, and means nothing for a session, which is revoked whenever it began.
	// Zero: all that began until now.
	Before time.Time
	// Until: remember the revocation at least until then. Zero, or sooner than the
	// list remembers it anyway: as long as any session that it concerns can live
	// unchecked, and 11 years for a key.
	Until time.Time
	// Subject says whose session is revoked, and means nothing for other targets. While
	// the store is silent, 64 sessions of one subject wait for it at most. A further one
	// revokes the subject instead: all its sessions that began until now, in one entry.
	// Zero: not said, and every session waits for itself.
	Subject string `json:"-"`
	// Actor and Reason are for the audit log; the store never sees them.
	Actor, Reason string
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (o Options) Format(f fmt.State, _ rune) { io.WriteString(f, "revocation.Options") }

// A Receipt says what a revocation reached.
type Receipt struct {
	Position string // in the list; of the head if nothing had to be written
	Changed  bool   // false: it was already revoked to that extent
	Replicas int    // replicas of the store that acknowledged it
	// Effective: from then on every replica that reaches the store refuses.
	Effective time.Time
	// WorstCase: from then on every replica refuses.
	WorstCase time.Time
}

// Stats are counters and gauges of one List since it was opened.
type Stats struct {
	State     string            // "booting", "synced", "stale", "cut_off", "closed", "disabled"
	Age       time.Duration     // of the view
	Window    time.Duration     // how far back it reaches
	Position  string            // newest applied
	Entries   int64             // in the window
	Bytes     int64             // of its filters; the exact ring takes at most 10 MB more
	Outbox    int               // revocations not yet seen in the log
	Full      uint64            // revocations turned away with ErrOutboxFull
	Decisions map[string]uint64 // by outcome of Decide
	Refusals  map[string]uint64 // by reason
	Confirms  map[string]uint64 // "store", "cached", "failed", "crowded"
	Reads     map[string]uint64 // "ok", "failed"
	Anomalies map[string]uint64 // "trimmed", "broken", "genesis", "lost", "forged", "settled_hit", "settled_miss", "republished"
}
