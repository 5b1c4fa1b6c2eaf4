package metrics

import (
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
)

// Metrics of the revocation list.
var (
	state        = gauge("list.state", "", "1 for the state the list is in.", "state")
	ready        = gauge("list.ready", "", "1 from when the list is joined until it is closed.")
	age          = gauge("list.age", seconds, "Age of this replica's view of the list.")
	window       = gauge("list.window", seconds, "How far back the window reaches.")
	entries      = gauge("list.entries", "{revocation}", "Revocations in the window.")
	filters      = gauge("list.filter", bytes, "Memory of the window's filters and tables.")
	hits         = counter("list.filter_hits", "{hit}", "Sessions that a filter reported as revoked, by whether that was true.", "result")
	decide       = histogramOf("decide", seconds, "Time of a decision from memory, one in 64 of them.", -24, -4, 2)
	confirm      = histogramOf("confirm", seconds, "Time of a decision for which the store or an earlier answer of it was needed.", -18, 0, 1)
	enforced     = histogramOf("enforce", seconds, "Time from when the store took a canary until this replica refused it.", -10, 6, 1)
	decisions    = counter("list.decisions", "{decision}", "Decisions about sessions, by outcome and by what decided.", "outcome", "path")
	refusals     = counter("list.refusals", "{session}", "Sessions refused or undecided by the list.", "reason")
	confirms     = counter("list.confirms", "{question}", "Questions to the exact set, by who answered.", "result")
	denied       = counter("list.denied", "{session}", "Sessions that a filter matched but the store knew as not revoked.")
	outbox       = gauge("list.outbox", "{revocation}", "Revocations of this replica that were not yet seen in the log.")
	full         = counter("list.outbox_full", "{revocation}", "Revocations refused because too many wait for the store.")
	acknowledged = counter("list.acknowledged", "{revocation}", "Revocations of this replica that the store acknowledged.")
	writes       = counter("list.writes", "{write}", "Writes to the store.", "result")
	reads        = counter("list.reads", "{read}", "Reads of the log.", "result")
	terms        = counter("list.terms", "{term}", "New primaries of the store, as after a failover.")
	pauses       = counter("list.pauses", "{pause}", "Times this process was paused for longer than revocation.Config.Within.")
	anomalies    = counter("list.anomalies", "{anomaly}", "Anomalies that were detected and handled.", "kind")
	logEntries   = gauge("list.log_entries", "{entry}", "Entries in the log of the store.")
	storeUsed    = gauge("store.used", bytes, "Memory that the store's server uses, or the size of its file, as last looked up.")
	storeLimit   = gauge("store.limit", bytes, "Memory at which the store's server takes no more writes (maxmemory); absent without a limit.")
)

var ofList = []*Metric{
	state, ready, age, window, entries, filters, hits, decide, confirm, enforced, decisions, refusals, confirms, denied,
	outbox, full, acknowledged, writes, reads, terms, pauses, anomalies, logEntries, storeUsed, storeLimit,
}

// The names of series that exist from the first scrape.
var (
	states   = []string{"booting", "synced", "stale", "cut_off", "closed", "disabled"}
	paths    = []string{"memory", "frozen", "cache", "store"}
	outcomes = []string{"accept", "refuse", "undecided"}
	answers  = []string{"store", "cached", "failed", "crowded"}
	results  = []string{"ok", "failed"}
	kinds    = []string{
		"trimmed", "broken", "inconsistent", "other_list", "lost", "forged", "unknown", "late", "settled_hit", "settled_miss",
		"republished", "clock", "denied", "canary", "as_of", "sketch",
	}
)

func collectList(s Sink, l *revocation.List) {
	n := l.Stats()
	for _, name := range states {
		s.Number(state, truth(name == n.State), name)
	}
	s.Number(ready, truth(l.Ready()))
	s.Number(age, n.Age.Seconds())
	s.Number(window, n.Window.Seconds())
	s.Number(entries, float64(n.Entries))
	s.Number(filters, float64(n.Bytes))
	s.Number(denied, float64(n.Denied))
	s.Number(outbox, float64(n.Outbox))
	s.Number(full, float64(n.Full))
	s.Number(acknowledged, float64(n.Acknowledged))
	s.Number(terms, float64(n.Terms))
	s.Number(pauses, float64(n.Pauses))
	counts(s, hits, n.Hits, []string{"true", "false"})
	for _, path := range paths {
		for _, outcome := range outcomes {
			s.Number(decisions, float64(n.Decisions[path][outcome]), outcome, path)
		}
	}
	counts(s, refusals, n.Refusals, reasons())
	counts(s, confirms, n.Confirms, answers)
	counts(s, writes, n.Writes, results)
	counts(s, reads, n.Reads, results)
	counts(s, anomalies, n.Anomalies, kinds)
	s.Histogram(decide, n.Decide)
	s.Histogram(confirm, n.Confirm)
	s.Histogram(enforced, n.Enforced)
	collectStore(s, n)
	collectSignedIn(s, n.SignedIn)
}

// collectStore sends what the store keeps, as far as it is known.
func collectStore(s Sink, n revocation.Stats) {
	s.Number(logEntries, float64(n.LogEntries))
	if n.StoreUsed > 0 {
		s.Number(storeUsed, float64(n.StoreUsed))
	}
	if n.StoreLimit > 0 {
		s.Number(storeLimit, float64(n.StoreLimit))
	}
}

func reasons() (names []string) {
	for r := replica.RevokedSession; r <= replica.Silent; r++ {
		names = append(names, r.String())
	}
	return names
}
