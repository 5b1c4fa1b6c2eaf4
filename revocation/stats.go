package revocation

import (
	"time"

	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A Histogram counts values by size, in buckets each of which is 2^(1/8) times as wide as the one
// below it.
type Histogram = histogram.Snapshot

// Stats are counters and gauges of one List since it was opened.
type Stats struct {
	State        string        // "booting", "synced", "stale", "cut_off", "closed", "disabled"
	Age          time.Duration // of this replica's view
	Window       time.Duration // how far back the view reaches
	Position     string        // newest in the view
	Entries      int64         // in the window, and the global entries
	Bytes        int64         // of the filters; the recent entries take at most 10 MB more
	LogEntries   int64         // in the log of the store
	StoreUsed    int64         // bytes that the server of the store or its file takes, as of the last minute; 0: not known
	StoreLimit   int64         // bytes at which it takes no more writes; 0: none, or not known
	Outbox       int           // revocations of this replica that its view does not show yet
	Full         uint64        // revocations that ErrOutboxFull rejected
	Denied       uint64        // filter matches that the store denied
	Acknowledged uint64        // revocations of this replica that the store acknowledged
	// Enforced holds how long canaries took, in seconds: from when the store took one until this
	// replica refused it.
	Enforced Histogram
	Terms    uint64            // new primaries of the store, as after a failover
	Pauses   uint64            // times this process did not run for longer than Within
	Decide   Histogram         // time of decisions from memory, in seconds, one in 64 of them
	Confirm  Histogram         // time of the other decisions, in seconds
	Hits     map[string]uint64 // sessions that a filter reported as revoked, by whether that was true: "true", "false"
	// Decisions are sessions decided, by how, and then by outcome: "accept", "refuse", "undecided".
	// How is "memory": from memory, by a view no older than Within; "frozen": from memory, by an
	// older view; "cache": by an earlier answer of the store; "store": the store was asked.
	Decisions map[string]map[string]uint64
	Refusals  map[string]uint64 // sessions refused or undecided, by reason
	Confirms  map[string]uint64 // "store", "cached", "failed", "crowded"
	Reads     map[string]uint64 // "ok", "failed"
	Writes    map[string]uint64 // "ok", "failed"
	Anomalies map[string]uint64 // "trimmed", "broken", "inconsistent", "other_list", "lost", "forged", "unknown", "late", "settled_hit", "settled_miss", "republished", "denied", "clock", "canary", "as_of", "sketch"
	// SignedIn says about how many are signed in at all replicas, as of the last minute. See
	// List.SignedIn.
	SignedIn revlog.SignedIn
}
