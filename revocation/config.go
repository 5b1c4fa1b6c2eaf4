package revocation

import (
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Config of a List.
type Config struct {
	// MaxIdle is the longest idle limit of any session that this process makes, or its absolute
	// limit if it has no idle limit. The list remembers a revocation for at least this long.
	// Zero: 2 h.
	MaxIdle time.Duration
	// Within is how soon after a revocation is acknowledged every replica that reaches the store
	// refuses the session. docs/protocol.md calls it S. Zero: 2 s.
	Within time.Duration
	// Grace is how long a replica that cannot reach the store keeps accepting the sessions that it
	// can decide from memory. docs/protocol.md calls it G. Zero: 30 min.
	Grace time.Duration
	// Ack says when a revocation counts as acknowledged. Zero: when stored.
	Ack revlog.Ack
	// StartWithoutStore lets Open return at once when the store does not answer. Until the store
	// answers, the list is booting: it accepts no session, begins none, and Ready is false. Then
	// it joins the list by itself. If that list belongs to another key ring, this one logs an
	// error and never gets ready. Zero: Open waits for the store.
	StartWithoutStore bool
	// NoCanary keeps this replica from writing canaries. One replica of all writes an entry about
	// a subject that nobody has, every 10 s, so that each of them can measure how soon a
	// revocation takes effect (Stats.Enforced). Zero: this replica takes part.
	NoCanary bool
	// Observer says that this process serves no requests, like a command that an operator runs.
	// It is not registered with the store, nobody waits for it, and it writes no canary. Zero:
	// this process is a replica of the application.
	Observer bool
	// Report adds to what this replica tells the store about itself, such as the version of the
	// application. Zero: it adds nothing.
	Report func() map[string]string
	// Logger gets the messages for operators. Zero: slog.Default().
	Logger *slog.Logger
	// Audit gets one record for each revocation that this process makes (package audit). Zero: the
	// handler of Logger. slog.DiscardHandler keeps no records.
	Audit slog.Handler
}
