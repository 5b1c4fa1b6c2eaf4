package metrics

import (
	"errors"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// Parts are what metrics are collected from. Packages prom and otel document it.
type Parts struct {
	Apps      map[string]Manager
	Movers    map[string]Mover
	Receivers map[string]Receiver
	Endpoints map[string]Endpoints
	Devices   map[string]Devices
	List      *revocation.List
	Keys      keys.Source
}

// A Manager is an httpmw.Manager with any type of data.
type Manager interface{ Stats() httpmw.Stats }

// A Mover is a gorilla.Mover or an adopt.Adopter with any type of data.
type Mover interface{ Stats() adopt.Stats }

// A Receiver is a backchannel.Receiver. It is an interface so that only those who import
// backchannel depend on what that needs.
type Receiver interface {
	// Counts returns the requests and the fetches of keys so far, by result.
	Counts() (requests, fetches map[string]uint64)
}

// Endpoints are an oauth.Endpoints.
type Endpoints interface {
	// Counts returns the requests so far, by endpoint and by result.
	Counts() map[string]map[string]uint64
}

// Devices is a devices.Registry.
type Devices interface{ Stats() devices.Stats }

// A Sink takes the values of metrics.
type Sink interface {
	// Number takes the value of a counter or a gauge. labels are the values of m.Labels.
	Number(m *Metric, v float64, labels ...string)
	// Histogram takes all that a histogram has counted.
	Histogram(m *Metric, s histogram.Snapshot, labels ...string)
}

// Checked returns a copy of p, or an error without anything to collect from.
func (p Parts) Checked() (Parts, error) {
	if len(p.Apps) == 0 && len(p.Movers) == 0 && len(p.Receivers) == 0 && len(p.Endpoints) == 0 && len(p.Devices) == 0 && p.List == nil && p.Keys == nil {
		return p, errors.New("Parts is empty: nothing to collect from")
	}
	for app, m := range p.Apps {
		if !labels(app) || m == nil {
			return p, errors.New("Parts.Apps has a nil manager, or a name that is empty or not UTF-8")
		}
	}
	for from, m := range p.Movers {
		if !labels(from) || m == nil {
			return p, errors.New("Parts.Movers has a nil mover, or a name that is empty or not UTF-8")
		}
	}
	for provider, r := range p.Receivers {
		if !labels(provider) || r == nil {
			return p, errors.New("Parts.Receivers has a nil receiver, or a name that is empty or not UTF-8")
		}
	}
	for app, e := range p.Endpoints {
		if !labels(app) || e == nil {
			return p, errors.New("Parts.Endpoints has nil endpoints, or a name that is empty or not UTF-8")
		}
	}
	for app, d := range p.Devices {
		if !labels(app) || d == nil {
			return p, errors.New("Parts.Devices has a nil registry, or a name that is empty or not UTF-8")
		}
	}
	p.Devices = maps.Clone(p.Devices)
	p.Apps, p.Movers, p.Receivers, p.Endpoints = maps.Clone(p.Apps), maps.Clone(p.Movers), maps.Clone(p.Receivers), maps.Clone(p.Endpoints)
	return p, nil
}

// labels reports whether name can be the value of a label. Prometheus' client panics at one that is not
// UTF-8, at each scrape.
func labels(name string) bool { return name != "" && utf8.ValidString(name) }

// Metrics returns the metrics that p has.
func (p Parts) Metrics() []*Metric {
	all := slices.Clone(ofProcess)
	if len(p.Apps) > 0 {
		all = append(all, ofApps...)
	}
	if len(p.Movers) > 0 {
		all = append(all, ofMovers...)
	}
	if len(p.Receivers) > 0 {
		all = append(all, ofReceivers...)
	}
	if len(p.Endpoints) > 0 {
		all = append(all, ofEndpoints...)
	}
	if len(p.Devices) > 0 {
		all = append(all, ofDevices...)
	}
	if p.List != nil {
		all = append(append(all, ofList...), ofSignedIn...)
	}
	if p.Keys != nil {
		all = append(all, ofRing...)
	}
	return all
}

// All returns every metric.
func All() []*Metric {
	return slices.Concat(ofProcess, ofApps, ofMovers, ofReceivers, ofEndpoints, ofDevices, ofList, ofSignedIn, ofRing)
}

// Collect gives s the present values of all metrics of p. It reads memory only.
func (p Parts) Collect(s Sink) {
	collectProcess(s)
	for app, m := range p.Apps {
		collectApp(s, app, m.Stats())
	}
	for from, m := range p.Movers {
		collectMoves(s, from, m.Stats())
	}
	for provider, r := range p.Receivers {
		collectReceiver(s, provider, r)
	}
	for app, e := range p.Endpoints {
		collectEndpoints(s, app, e)
	}
	for app, d := range p.Devices {
		collectDevices(s, app, d.Stats())
	}
	if p.List != nil {
		collectList(s, p.List)
	}
	if p.Keys != nil {
		collectRing(s, p.Keys, time.Now())
	}
}

// counts gives s one value for each name, even without a count, and one for each count without a
// name: a newer part may count more. labels come before the name.
func counts(s Sink, m *Metric, n map[string]uint64, names []string, labels ...string) {
	for _, name := range names {
		s.Number(m, float64(n[name]), append(slices.Clone(labels), name)...)
	}
	for name, v := range n {
		if !slices.Contains(names, name) {
			s.Number(m, float64(v), append(slices.Clone(labels), name)...)
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
