package otel_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/otel"
	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/internal/metrics"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// A meter stands for an SDK; testdata/otel has tests with the real one.
type meter struct {
	noop.Meter
	units    map[string]string
	recorded map[string][]float64 // by name and attributes
	callback metric.Callback
}

func newMeter() *meter {
	return &meter{units: map[string]string{}, recorded: map[string][]float64{}}
}

type counter struct {
	noop.Float64ObservableCounter
	name string
}

type gauge struct {
	noop.Float64ObservableGauge
	name string
}

type sizes struct {
	noop.Float64Histogram
	name string
	m    *meter
}

func (m *meter) Float64ObservableCounter(name string, o ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	m.units[name] = metric.NewFloat64ObservableCounterConfig(o...).Unit()
	return counter{name: name}, nil
}

func (m *meter) Float64ObservableGauge(name string, o ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	m.units[name] = metric.NewFloat64ObservableGaugeConfig(o...).Unit()
	return gauge{name: name}, nil
}

func (m *meter) Float64Histogram(name string, o ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	c := metric.NewFloat64HistogramConfig(o...)
	if len(c.ExplicitBucketBoundaries()) == 0 {
		m.units[name] = "no buckets"
		return sizes{name: name, m: m}, nil
	}
	m.units[name] = c.Unit()
	return sizes{name: name, m: m}, nil
}

func (m *meter) RegisterCallback(f metric.Callback, _ ...metric.Observable) (metric.Registration, error) {
	m.callback = f
	return noop.Registration{}, nil
}

func (h sizes) Record(_ context.Context, v float64, o ...metric.RecordOption) {
	set := metric.NewRecordConfig(o).Attributes()
	series := h.name + " " + set.Encoded(attribute.DefaultEncoder())
	h.m.recorded[series] = append(h.m.recorded[series], v)
}

// An observer takes one collection.
type observer struct {
	noop.Observer
	values map[string]float64
}

func (o observer) ObserveFloat64(of metric.Float64Observable, v float64, options ...metric.ObserveOption) {
	name := ""
	switch i := of.(type) {
	case counter:
		name = i.name
	case gauge:
		name = i.name
	}
	set := metric.NewObserveConfig(options).Attributes()
	o.values[name+" "+set.Encoded(attribute.DefaultEncoder())] = v
}

func (m *meter) collect(t *testing.T) map[string]float64 {
	t.Helper()
	o := observer{values: map[string]float64{}}
	if err := m.callback(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return o.values
}

// An app is a manager of which the test decides what it counted.
type app struct{ stats httpmw.Stats }

func (a *app) Stats() httpmw.Stats { return a.stats }

type mover struct{}

func (mover) Stats() adopt.Stats { return adopt.Stats{Moved: 7} }

type receiver struct{}

func (receiver) Counts() (requests, fetches map[string]uint64) {
	return map[string]uint64{"ended": 8}, nil
}

type endpoints struct{}

func (endpoints) Counts() map[string]map[string]uint64 {
	return map[string]map[string]uint64{"revoke": {"ended": 9}}
}

type registry struct{}

func (registry) Stats() devices.Stats { return devices.Stats{Written: 10} }

func everything(a *app) otel.Parts {
	ring := keys.Generate(0)
	return otel.Parts{
		Apps: map[string]otel.Manager{"shop": a}, Movers: map[string]otel.Mover{"scs": mover{}},
		Receivers: map[string]otel.Receiver{"idp": receiver{}}, Endpoints: map[string]otel.Endpoints{"shop": endpoints{}}, Devices: map[string]otel.Devices{"shop": registry{}},
		List: revocation.Disabled(ring), Keys: keys.Static(ring),
	}
}

func TestEveryMetricHasAnInstrument(t *testing.T) {
	m := newMeter()
	if _, err := otel.Register(m, everything(&app{})); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, d := range metrics.All() {
		want[d.Name] = d.Unit
	}
	if diff := cmp.Diff(want, m.units); diff != "" {
		t.Errorf("(-declared +made):\n%s", diff)
	}
}

func TestValues(t *testing.T) {
	m, a := newMeter(), &app{httpmw.Stats{Accepted: 5, Refused: map[string]uint64{"tampered": 6}}}
	if _, err := otel.Register(m, everything(a)); err != nil {
		t.Fatal(err)
	}
	got := m.collect(t)
	for series, want := range map[string]float64{
		"wafer.sessions.accepted wafer.app=shop":                                       5,
		"wafer.sessions.refused wafer.app=shop,wafer.reason=tampered":                  6,
		"wafer.moves wafer.from=scs,wafer.result=moved":                                7,
		"wafer.backchannel.requests wafer.provider=idp,wafer.result=ended":             8,
		"wafer.backchannel.key_fetches wafer.provider=idp,wafer.result=failed":         0,
		"wafer.oauth.requests wafer.app=shop,wafer.endpoint=revoke,wafer.result=ended": 9,
		"wafer.devices.written wafer.app=shop":                                         10,
		"wafer.list.state wafer.state=disabled":                                        1,
		"wafer.list.state wafer.state=synced":                                          0,
		"wafer.ring.keys wafer.state=sealing":                                          1,
		"wafer.list.decisions wafer.outcome=accept,wafer.path=memory":                  0,
	} {
		if v, there := got[series]; !there || v != want {
			t.Errorf("%s is %v (%t), want %v", series, v, there, want)
		}
	}
}

// At each collection a histogram gets what was counted since the one before: each value in its
// bucket, all with the right sum. What was counted before Register is not there.
func TestHistogramsGetWhatIsNew(t *testing.T) {
	var h histogram.Histogram
	random := rand.New(rand.NewPCG(1, 2))
	m, a := newMeter(), &app{}
	record := func(n int) (sum float64) {
		for range n {
			v := math.Exp2(random.Float64()*20 - 15)
			h.Record(v)
			sum += v
		}
		a.stats.Open = h.Snapshot()
		return sum
	}
	record(100)
	if _, err := otel.Register(m, everything(a)); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 1000, 0, 10} {
		before := h.Snapshot()
		h.Record(0)
		sum := record(n)
		m.recorded = map[string][]float64{}
		m.collect(t)
		var again histogram.Histogram
		var got float64
		for _, v := range m.recorded["wafer.open wafer.app=shop"] {
			again.Record(v)
			got += v
		}
		if len(m.recorded) != 1 || math.Abs(got-sum) > 1e-9*sum {
			t.Errorf("%d: the sum is %v, want %v, in %d series", n, got, sum, len(m.recorded))
		}
		want := map[int]uint64{}
		for _, b := range h.Snapshot().Buckets {
			want[b.N] = b.Count
		}
		for _, b := range before.Buckets {
			want[b.N] -= b.Count
		}
		s := again.Snapshot()
		for _, b := range s.Buckets {
			want[b.N] -= b.Count
		}
		for bucket, missing := range want {
			if missing != 0 {
				t.Errorf("%d: bucket %d lacks %d", n, bucket, int64(missing))
			}
		}
		if s.Zero != 1 || s.Count != uint64(n)+1 {
			t.Errorf("%d: %d were recorded, %d of them 0", n, s.Count, s.Zero)
		}
	}
}

func TestNothingToRead(t *testing.T) {
	for name, p := range map[string]otel.Parts{
		"nothing":          {},
		"app without name": {Apps: map[string]otel.Manager{"": &app{}}},
		"no endpoints":     {Endpoints: map[string]otel.Endpoints{"shop": nil}},
		"no registry":      {Devices: map[string]otel.Devices{"shop": nil}},
		"no receiver":      {Receivers: map[string]otel.Receiver{"idp": nil}},
	} {
		if _, err := otel.Register(newMeter(), p); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
