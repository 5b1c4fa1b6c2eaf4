package prom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// Metrics of requests, by application.
var (
	anonymous  = counter("requests_anonymous_total", "Requests without a session cookie, or with only the marker of a logout.", "app")
	accepted   = counter("sessions_accepted_total", "Sessions accepted.", "app")
	refused    = counter("sessions_refused_total", "Session cookies that were refused or could not be decided.", "app", "reason")
	cookies    = counter("cookies_total", "Cookies sent, by kind: session (changed data), seen (renewal), expired (logout).", "app", "kind")
	shared     = counter("renewals_shared_total", "Renewals that reused the token of an earlier request.", "app")
	unsealed   = counter("renewals_unsealed_total", "Renewals due that no key could seal.", "app")
	withheld   = counter("cookies_withheld_total", "Cookies not sent because the session was revoked during the request.", "app")
	unsealable = counter("seals_refused_total", "Tokens not sealed because of the ring's sealing key, by reason.", "app", "reason")
	keySeals   = counter("key_seals", "Tokens that this application sealed in this process, by key.", "app", "kid")
	early      = counter("seals_early_total", "Tokens sealed with a key whose time has not come: the clock of this machine is behind.", "app")
	retagged   = counter("subject_tags_corrected_total", "Sessions whose subject tag was wrong and was corrected.", "app")
	lookups    = counter("key_lookups_total", "Lookups of an unknown key.", "app")
)

func collectApp(ch chan<- prometheus.Metric, app string, s httpmw.Stats) {
	anonymous.send(ch, float64(s.Anonymous), app)
	accepted.send(ch, float64(s.Accepted), app)
	for reason, n := range s.Refused { // all reasons are there
		refused.send(ch, float64(n), app, reason)
	}
	cookies.send(ch, float64(s.Written), app, "session")
	cookies.send(ch, float64(s.Renewed), app, "seen")
	cookies.send(ch, float64(s.Expired), app, "expired")
	shared.send(ch, float64(s.Shared), app)
	unsealed.send(ch, float64(s.Unsealed), app)
	withheld.send(ch, float64(s.Withheld), app)
	unsealable.send(ch, float64(s.Unsealable), app, "revoked_key")
	unsealable.send(ch, float64(s.Spared), app, "renewals_stopped")
	unsealable.send(ch, float64(s.Spent), app, "spent")
	for kid, n := range s.Seals {
		keySeals.send(ch, float64(n), app, kid)
	}
	early.send(ch, float64(s.Early), app)
	retagged.send(ch, float64(s.Retagged), app)
	lookups.send(ch, float64(s.Lookups), app)
}

// Metrics of sessions moved from another system, by their name in Parts.Movers.
var moves = counter("moves_total", "Sessions of another system, by what became of them.", "from", "result")

func collectMoves(ch chan<- prometheus.Metric, from string, s adopt.Stats) {
	moves.send(ch, float64(s.Moved), from, "moved")
	moves.send(ch, float64(s.Refused), from, "refused")
	moves.send(ch, float64(s.Undecided), from, "undecided")
	moves.send(ch, float64(s.Invalid), from, "invalid")
	moves.send(ch, float64(s.Declined), from, "declined")
	moves.send(ch, float64(s.Ended), from, "ended")
}

// Metrics of the revocation list.
var (
	state        = gauge("list_state", "1 for the state the list is in.", "state")
	ready        = gauge("list_ready", "1 from when the list is joined until it is closed.")
	age          = gauge("list_age_seconds", "Age of this replica's view of the list.")
	window       = gauge("list_window_seconds", "How far back the window reaches.")
	entries      = gauge("list_window_entries", "Revocations in the window.")
	bytes        = gauge("list_window_bytes", "Memory of the window.")
	outbox       = gauge("list_outbox", "Revocations of this replica that were not yet seen in the log.")
	full         = counter("list_outbox_full_total", "Revocations refused because too many wait for the store.")
	acknowledged = counter("list_acknowledged_total", "Revocations of this replica that the store acknowledged.")
	writes       = counter("list_writes_total", "Writes to the store.", "result")
	terms        = counter("list_terms_total", "New primaries of the store, as after a failover.")
	pauses       = counter("list_pauses_total", "Times this process was paused for longer than revocation.Config.Within.")
	decisions    = counter("list_decisions_total", "Decisions from memory.", "outcome")
	refusals     = counter("list_refusals_total", "Sessions refused or undecided by the list.", "reason")
	confirms     = counter("list_confirms_total", "Questions to the exact set, by who answered.", "result")
	reads        = counter("list_reads_total", "Reads of the log.", "result")
	anomalies    = counter("list_anomalies_total", "Anomalies that were detected and handled.", "kind")
	denied       = counter("list_denied_total", "Sessions that a filter matched but the store knew as not revoked.")

	states       = []string{"booting", "synced", "stale", "cut_off", "closed", "disabled"}
	confirmNames = []string{"store", "cached", "failed", "crowded"}
	readNames    = []string{"ok", "failed"}
	anomalyNames = []string{"trimmed", "broken", "inconsistent", "other_list", "lost", "forged", "unknown", "late", "settled_hit", "settled_miss", "republished", "clock", "denied"}
)

func collectList(ch chan<- prometheus.Metric, l *revocation.List) {
	s := l.Stats()
	for _, name := range states {
		state.send(ch, truth(name == s.State), name)
	}
	ready.send(ch, truth(l.Ready()))
	age.send(ch, s.Age.Seconds())
	window.send(ch, s.Window.Seconds())
	entries.send(ch, float64(s.Entries))
	bytes.send(ch, float64(s.Bytes))
	outbox.send(ch, float64(s.Outbox))
	full.send(ch, float64(s.Full))
	acknowledged.send(ch, float64(s.Acknowledged))
	writes.sendAll(ch, s.Writes, readNames)
	terms.send(ch, float64(s.Terms))
	pauses.send(ch, float64(s.Pauses))
	denied.send(ch, float64(s.Denied))
	decisions.sendAll(ch, s.Decisions, nil)
	var reasons []string
	for r := replica.RevokedSession; r <= replica.Silent; r++ {
		reasons = append(reasons, r.String())
	}
	refusals.sendAll(ch, s.Refusals, reasons)
	confirms.sendAll(ch, s.Confirms, confirmNames)
	reads.sendAll(ch, s.Reads, readNames)
	anomalies.sendAll(ch, s.Anomalies, anomalyNames)
}

// Metrics of the ring.
var (
	ringKeys     = gauge("ring_keys", "Keys of the ring by their state.", "state")
	sealingSince = gauge("ring_sealing_since_seconds", "When the sealing key began to seal, in Unix time; 0 if there is none.")
	sealingUntil = gauge("ring_sealing_until_seconds", "When the sealing key stops opening, in Unix time; 0 if that is not fixed or there is none.")
	budgetLeft   = gauge("key_budget_left_ratio", "Part of the 2^32 seals of a key that is left, for keys that are not expired.", "kid")
)

func collectKeys(ch chan<- prometheus.Metric, source keys.Source, now time.Time) {
	r, count := source.Ring(), map[keys.State]int{}
	metered, counts := source.(keys.Metered)
	for _, k := range r.Keys() {
		state := r.State(k, now)
		count[state]++
		if counts && state != keys.Expired {
			budgetLeft.send(ch, metered.Meter().Left(k.ID()), k.ID())
		}
	}
	for s := keys.Pending; s <= keys.Revoked; s++ {
		ringKeys.send(ch, float64(count[s]), s.String())
	}
	var since, until float64
	if k, ok := r.Sealing(now); ok {
		since, until = unix(k.NotBefore()), unix(k.Expires())
	}
	sealingSince.send(ch, since)
	sealingUntil.send(ch, until)
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
