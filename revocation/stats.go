package revocation

import "time"

// Stats are counters and gauges of one List since it was opened.
type Stats struct {
	State        string            // "booting", "synced", "stale", "cut_off", "closed", "disabled"
	Age          time.Duration     // of the view
	Window       time.Duration     // how far back it reaches
	Position     string            // newest applied
	Entries      int64             // in the window, and those of keys and of everyone
	Bytes        int64             // of its filters; the exact ring takes at most 10 MB more
	Outbox       int               // revocations not yet seen in the log
	Full         uint64            // revocations turned away with ErrOutboxFull
	Denied       uint64            // filter hits that the store denied
	Acknowledged uint64            // revocations of this replica that the store acknowledged
	Terms        uint64            // new primaries of the store, as after a failover
	Pauses       uint64            // times this process did not run for longer than Within
	Decisions    map[string]uint64 // by outcome of Decide
	Refusals     map[string]uint64 // by reason
	Confirms     map[string]uint64 // "store", "cached", "failed", "crowded"
	Reads        map[string]uint64 // "ok", "failed"
	Writes       map[string]uint64 // "ok", "failed"
	Anomalies    map[string]uint64 // "trimmed", "broken", "other_list", "lost", "forged", "unknown", "late", "settled_hit", "settled_miss", "republished", "denied", "clock"
}
