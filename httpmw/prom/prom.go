// Package prom exports the metrics of Wafer to Prometheus.
//
// [New] makes a collector for the parts that the application has: its list, its ring, its managers.
// It reads their Stats when it is scraped, stores nothing, and costs requests nothing. All series
// exist from the first scrape, with the value 0, so that rates and alerts see the first event.
// docs/metrics.md lists the metrics. Package otel sends the same ones through OpenTelemetry.
//
// Each histogram is sent as classic buckets and as a native histogram, which is exact to 9 %. A
// Prometheus that scrapes native histograms keeps that one, any other keeps the buckets.
//
// No label contains a user, a session or an address. Only the label kid, the id of a key, has values
// that come and go, and a ring holds few keys, so the number of series is bounded.
package prom

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/internal/metrics"
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

	// Receivers are the backchannel.Receivers of this process, by a name that becomes the label
	// "provider". Zero: no metrics of back-channel logouts.
	Receivers map[string]Receiver

	// Endpoints are the oauth.Endpoints of this process, by the Config.App of their Manager, which
	// becomes the label "app". Zero: no metrics of introspection and revocation of tokens.
	Endpoints map[string]Endpoints

	// Devices are the devices.Registries of this process, by the Config.App of their Manager, which
	// becomes the label "app". Zero: no metrics of the lists of devices.
	Devices map[string]Devices

	// List is the revocation list. Zero: no metrics of it.
	List *revocation.List

	// Keys is the ring. Zero: no metrics of keys.
	Keys keys.Source
}

// A Manager is an httpmw.Manager with any type of data.
type Manager = metrics.Manager

// A Mover is a gorilla.Mover or an adopt.Adopter with any type of data.
type Mover = metrics.Mover

// A Receiver is a backchannel.Receiver.
type Receiver = metrics.Receiver

// Endpoints are an oauth.Endpoints.
type Endpoints = metrics.Endpoints

// Devices is a devices.Registry.
type Devices = metrics.Devices

// New returns a collector of p, to be registered once. It is safe for concurrent use.
func New(p Parts) (prometheus.Collector, error) {
	parts, err := metrics.Parts(p).Checked()
	if err != nil {
		return nil, fmt.Errorf("prom: %w", err)
	}
	c := collector{parts, map[*metrics.Metric]*prometheus.Desc{}}
	for _, m := range parts.Metrics() {
		c.descs[m] = prometheus.NewDesc(m.Prometheus(), m.Help, m.Labels, nil)
	}
	return c, nil
}

type collector struct {
	parts metrics.Parts
	descs map[*metrics.Metric]*prometheus.Desc
}

// Describe sends the description of every metric.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect sends the current values.
func (c collector) Collect(ch chan<- prometheus.Metric) { c.parts.Collect(sink{c.descs, ch}) }

// A sink is one scrape.
type sink struct {
	descs map[*metrics.Metric]*prometheus.Desc
	ch    chan<- prometheus.Metric
}

func (s sink) Number(m *metrics.Metric, v float64, labels ...string) {
	kind := prometheus.GaugeValue
	if m.Kind == metrics.Counter {
		kind = prometheus.CounterValue
	}
	s.ch <- prometheus.MustNewConstMetric(s.descs[m], kind, v, labels...)
}

func (s sink) Histogram(m *metrics.Metric, h histogram.Snapshot, labels ...string) {
	s.ch <- newHistogram(s.descs[m], h, m.Classic, labels...)
}
