// Package prom exports the counters of Wafer to Prometheus.
//
// [New] makes a collector for the parts that the application has: its list, its ring, its managers.
// It reads their Stats when it is scraped, stores nothing, and costs requests nothing. All series
// exist from the first scrape, with the value 0, so that rates and alerts see the first event.
// docs/metrics.md lists the metrics.
//
// No label contains a user, a session or an address. Only the label kid, the id of a key, has values
// that come and go, and a ring holds few keys, so the number of series is bounded.
package prom

import (
	"errors"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// Parts are what New collects from. At least one of them must be given.
type Parts struct {
	// Apps are the managers of this process, by their Config.App, which becomes the label "app".
	// Zero: no metrics of requests.
	Apps map[string]Manager

	// Movers are the gorilla.Movers and adopt.Adopters of this process, by a name that becomes the
	// label "from". Zero: no metrics of sessions that were moved.
	Movers map[string]Mover

	// List is the revocation list. Zero: no metrics of it.
	List *revocation.List

	// Keys is the ring. Zero: no metrics of keys.
	Keys keys.Source
}

// A Manager is an httpmw.Manager with any type of data.
type Manager interface{ Stats() httpmw.Stats }

// A Mover is a gorilla.Mover or an adopt.Adopter with any type of data.
type Mover interface{ Stats() adopt.Stats }

// New returns a collector of p, to be registered once. It is safe for concurrent use.
func New(p Parts) (prometheus.Collector, error) {
	if len(p.Apps) == 0 && len(p.Movers) == 0 && p.List == nil && p.Keys == nil {
		return nil, errors.New("prom: Parts is empty: nothing to collect from")
	}
	for app, m := range p.Apps {
		if app == "" || m == nil {
			return nil, errors.New("prom: Parts.Apps has an empty name or a nil manager")
		}
	}
	for from, m := range p.Movers {
		if from == "" || m == nil {
			return nil, errors.New("prom: Parts.Movers has an empty name or a nil mover")
		}
	}
	p.Apps, p.Movers = maps.Clone(p.Apps), maps.Clone(p.Movers)
	return collector{p}, nil
}

type collector struct{ Parts }

// Describe sends the description of every metric.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	if len(c.Apps) > 0 {
		describe(ch, anonymous, accepted, refused, cookies, shared, unsealed, withheld, lookups, retagged, unsealable, keySeals, early)
	}
	if len(c.Movers) > 0 {
		describe(ch, moves)
	}
	if c.List != nil {
		describe(ch, state, ready, age, window, entries, bytes, outbox, full, denied, acknowledged, writes, terms, pauses, decisions, refusals, confirms, reads, anomalies)
	}
	if c.Keys != nil {
		describe(ch, ringKeys, sealingSince, sealingUntil, budgetLeft)
	}
}

func describe(ch chan<- *prometheus.Desc, all ...metric) {
	for _, m := range all {
		ch <- m.desc
	}
}

// Collect sends the current values.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	for app, m := range c.Apps {
		collectApp(ch, app, m.Stats())
	}
	for from, m := range c.Movers {
		collectMoves(ch, from, m.Stats())
	}
	if c.List != nil {
		collectList(ch, c.List)
	}
	if c.Keys != nil {
		collectKeys(ch, c.Keys, time.Now())
	}
}

// A metric is one name, its help and its labels.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("wafer_"+name, help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("wafer_"+name, help, labels, nil), prometheus.GaugeValue}
}

func (m metric) send(ch chan<- prometheus.Metric, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
}

// sendAll sends one series for each name, even without a count, and one for each count without a
// name: a newer part may count more.
func (m metric) sendAll(ch chan<- prometheus.Metric, counts map[string]uint64, names []string) {
	for _, name := range names {
		m.send(ch, float64(counts[name]), name)
		delete(counts, name) // Stats returned a map of our own
	}
	for name, n := range counts {
		m.send(ch, float64(n), name)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
