// Package otel sends the metrics of Wafer through the API of OpenTelemetry.
//
// [Register] reads them whenever the application's SDK collects: it starts nothing, stores little and
// costs requests nothing. The application brings the SDK and the exporter; this package depends on
// the API alone. The names are those of package prom with dots, such as wafer.list.age for
// wafer_list_age_seconds, so they stand beside the http.server.* metrics of other instrumentation.
// Labels become attributes that begin with "wafer.", such as wafer.app. docs/metrics.md lists all.
//
// No attribute holds a user, a session or an address, not even under a pseudonym.
//
// # Histograms
//
// The API has no histogram that is read at collection. So Register records there what was counted
// since the collection before: each value in its bucket, which is 9 % wide, and all of them with the
// right sum. What was counted before Register is left out. For histograms as exact as those of package
// prom, let the SDK use base-2 exponential ones.
package otel

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/internal/metrics"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Parts are what Register reads. At least one of them must be given.
type Parts struct {
	// Apps are the managers of this process, by their Config.App, which becomes the attribute
	// wafer.app. Zero: no metrics of requests.
	Apps map[string]Manager

	// Movers are the gorilla.Movers and adopt.Adopters of this process, by a name that becomes the
	// attribute wafer.from. Zero: no metrics of sessions that were moved.
	Movers map[string]Mover

	// Receivers are the backchannel.Receivers of this process, by a name that becomes the attribute
	// wafer.provider. Zero: no metrics of back-channel logouts.
	Receivers map[string]Receiver

	// Endpoints are the oauth.Endpoints of this process, by the Config.App of their Manager, which
	// becomes the attribute wafer.app. Zero: no metrics of introspection and revocation of tokens.
	Endpoints map[string]Endpoints

	// Devices are the devices.Registries of this process, by the Config.App of their Manager, which
	// becomes the attribute wafer.app. Zero: no metrics of the lists of devices.
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

// Register makes an instrument of m for each metric of p, and reads p at each collection until the
// Registration is unregistered. Register each part once, with one Meter.
func Register(m metric.Meter, p Parts) (metric.Registration, error) {
	parts, err := metrics.Parts(p).Checked()
	if err != nil {
		return nil, fmt.Errorf("otel: %w", err)
	}
	r := &reader{
		parts: parts, numbers: map[*metrics.Metric]metric.Float64Observable{},
		histograms: map[*metrics.Metric]metric.Float64Histogram{}, seen: map[string]histogram.Snapshot{},
	}
	var all []metric.Observable
	for _, d := range parts.Metrics() {
		if err := r.declare(m, d); err != nil {
			return nil, fmt.Errorf("otel: %s: %w", d.Name, err)
		}
		if n, ok := r.numbers[d]; ok {
			all = append(all, n)
		}
	}
	parts.Collect(baseline{r})
	return m.RegisterCallback(r.read, all...)
}

// A reader is what one Register made.
type reader struct {
	parts      metrics.Parts
	numbers    map[*metrics.Metric]metric.Float64Observable
	histograms map[*metrics.Metric]metric.Float64Histogram

	mu   sync.Mutex // owns seen; held through a collection
	seen map[string]histogram.Snapshot
}

// declare makes the instrument of d.
func (r *reader) declare(m metric.Meter, d *metrics.Metric) (err error) {
	switch d.Kind {
	case metrics.Counter:
		r.numbers[d], err = m.Float64ObservableCounter(d.Name, metric.WithDescription(d.Help), metric.WithUnit(d.Unit))
	case metrics.Gauge:
		r.numbers[d], err = m.Float64ObservableGauge(d.Name, metric.WithDescription(d.Help), metric.WithUnit(d.Unit))
	case metrics.Histogram:
		var ends []float64
		for _, exponent := range d.Classic {
			ends = append(ends, math.Ldexp(1, exponent))
		}
		r.histograms[d], err = m.Float64Histogram(d.Name, metric.WithDescription(d.Help), metric.WithUnit(d.Unit),
			metric.WithExplicitBucketBoundaries(ends...))
	}
	return err
}

// read is called at each collection.
func (r *reader) read(ctx context.Context, o metric.Observer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parts.Collect(sink{r, ctx, o})
	return nil
}

// name names one series of d.
func name(d *metrics.Metric, labels []string) string {
	return d.Name + "\x00" + strings.Join(labels, "\x00")
}

// attributes returns the labels of d as attributes.
func attributes(d *metrics.Metric, labels []string) metric.MeasurementOption {
	all := make([]attribute.KeyValue, len(labels))
	for i, value := range labels {
		all[i] = attribute.String("wafer."+d.Labels[i], value)
	}
	return metric.WithAttributeSet(attribute.NewSet(all...))
}

// A baseline notes what histograms hold already.
type baseline struct{ *reader }

func (b baseline) Number(*metrics.Metric, float64, ...string) {}

func (b baseline) Histogram(d *metrics.Metric, s histogram.Snapshot, labels ...string) {
	b.seen[name(d, labels)] = s
}

// A sink is one collection.
type sink struct {
	*reader
	ctx context.Context
	to  metric.Observer
}

func (s sink) Number(d *metrics.Metric, v float64, labels ...string) {
	s.to.ObserveFloat64(s.numbers[d], v, attributes(d, labels))
}

// Histogram records what d counted since it was seen last.
func (s sink) Histogram(d *metrics.Metric, now histogram.Snapshot, labels ...string) {
	series := name(d, labels)
	added := since(s.seen[series], now)
	s.seen[series] = now
	as := attributes(d, labels)
	record := func(v float64, times uint64) {
		for range times {
			s.histograms[d].Record(s.ctx, v, as)
		}
	}
	record(0, added.Zero)
	part := placed(added)
	for _, b := range added.Buckets {
		low, high := histogram.UpperBound(b.N-1), histogram.UpperBound(b.N)
		record(low+part*(high-low), b.Count)
	}
}

// since returns what was counted between two snapshots of one histogram.
func since(before, now histogram.Snapshot) histogram.Snapshot {
	had := map[int]uint64{}
	for _, b := range before.Buckets {
		had[b.N] = b.Count
	}
	d := histogram.Snapshot{Count: now.Count - before.Count, Sum: now.Sum - before.Sum, Zero: now.Zero - before.Zero}
	for _, b := range now.Buckets {
		if n := b.Count - had[b.N]; n > 0 {
			d.Buckets = append(d.Buckets, histogram.Bucket{N: b.N, Count: n})
		}
	}
	return d
}

// placed returns how far into its bucket each value of s is put, above 0 and up to 1, so that all
// together have the sum of s.
func placed(s histogram.Snapshot) float64 {
	var least, room float64
	for _, b := range s.Buckets {
		low, high := histogram.UpperBound(b.N-1), histogram.UpperBound(b.N)
		least += float64(b.Count) * low
		room += float64(b.Count) * (high - low)
	}
	if room == 0 {
		return 1
	}
	return min(max((s.Sum-least)/room, 1.0/64), 1) // the sum may lack what is being counted now
}
