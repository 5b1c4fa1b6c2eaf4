package metrics

import (
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

// Metrics of the ring.
var (
	ringKeys     = gauge("ring.keys", "{key}", "Keys of the ring.", "state")
	sealingSince = gauge("ring.sealing_since", seconds, "When the sealing key began to seal, in Unix time; 0 if no key seals.")
	sealingUntil = gauge("ring.sealing_until", seconds, "Until when the sealing key opens sessions, in Unix time; 0 if no newer key is to take over.")
	budgetLeft   = gauge("key.budget_left", ratio, "Part of the 2^32 seals of a key that is left, for keys that are not expired.", "kid")
)

var ofRing = []*Metric{ringKeys, sealingSince, sealingUntil, budgetLeft}

func collectRing(s Sink, source keys.Source, now time.Time) {
	r, count := source.Ring(), map[keys.State]int{}
	metered, counts := source.(keys.Metered)
	for _, k := range r.Keys() {
		state := r.State(k, now)
		count[state]++
		if counts && state != keys.Expired {
			s.Number(budgetLeft, metered.Meter().Left(k.ID()), k.ID())
		}
	}
	for state := keys.Pending; state <= keys.Revoked; state++ {
		s.Number(ringKeys, float64(count[state]), state.String())
	}
	var since, until float64
	if k, ok := r.Sealing(now); ok {
		since, until = unix(k.NotBefore()), unix(k.Expires())
	}
	s.Number(sealingSince, since)
	s.Number(sealingUntil, until)
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
