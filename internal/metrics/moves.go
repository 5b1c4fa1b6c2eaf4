package metrics

import "github.com/wafer-sessions/wafer/httpmw/adopt"

// Metrics of sessions moved from another system, by their name in Parts.Movers.
var moves = counter("moves", "{session}", "Sessions of another system, by what became of them.", "from", "result")

var ofMovers = []*Metric{moves}

func collectMoves(s Sink, from string, n adopt.Stats) {
	s.Number(moves, float64(n.Moved), from, "moved")
	s.Number(moves, float64(n.Refused), from, "refused")
	s.Number(moves, float64(n.Undecided), from, "undecided")
	s.Number(moves, float64(n.Invalid), from, "invalid")
	s.Number(moves, float64(n.Declined), from, "declined")
	s.Number(moves, float64(n.Ended), from, "ended")
}

// Metrics of receivers of back-channel logouts, by their name in Parts.Receivers.
var (
	logoutRequests = counter("backchannel.requests", "{request}", "Requests of the provider to log somebody out, by result.", "provider", "result")
	keyFetches     = counter("backchannel.key_fetches", "{fetch}", "Attempts to fetch the provider's keys.", "provider", "result")
)

var ofReceivers = []*Metric{logoutRequests, keyFetches}

func collectReceiver(s Sink, provider string, r Receiver) {
	requests, fetches := r.Counts()
	counts(s, logoutRequests, requests, nil, provider)
	counts(s, keyFetches, fetches, []string{"ok", "failed"}, provider)
}
