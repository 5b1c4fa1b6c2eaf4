package revocation

import "time"

// Stats are counters and gauges of one List since it was opened.
type Stats struct {
	State        string            // "booting", "synced", "stale", "cut_off", "closed", "disabled"
	Age          time.Duration     // of this replica's view
	Window       time.Duration     // how far back the view reaches
	Position     string            // newest in the view
	Entries      int64             // in the window, and the global entries
	Bytes        int64             // of the filters; the recent entries take at most 10 MB more
	Outbox       int               // revocations of this replica that its view does not show yet
	Full         uint64            // revocations that ErrOutboxFull rejected
	Denied       uint64            // filter matches that the store denied
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
