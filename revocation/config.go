package revocation

import (
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
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
	Ack revlog.Ack
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
