// Package otel_test runs httpmw/otel with the SDK of OpenTelemetry, on which nobody who uses Wafer
// has to depend.
package otel_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw"
	waferotel "github.com/wafer-sessions/wafer/httpmw/otel"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// collect returns what an exporter gets, by name and attributes.
func collect(t *testing.T, reader metric.Reader) map[string]any {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	add := func(name string, set attribute.Set, v any) {
		all[strings.TrimSpace(name+" "+set.Encoded(attribute.DefaultEncoder()))] = v
	}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[float64]:
				if !d.IsMonotonic || d.Temporality != metricdata.CumulativeTemporality {
					t.Errorf("%s is no counter", m.Name)
				}
				for _, p := range d.DataPoints {
					add(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					add(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					add(m.Name, p.Attributes, p)
				}
			case metricdata.ExponentialHistogram[float64]:
				for _, p := range d.DataPoints {
					add(m.Name, p.Attributes, p)
				}
			default:
				t.Errorf("%s is a %T", m.Name, d)
			}
		}
	}
	return all
}

func TestWithTheSDK(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	ring := keys.Static(keys.Generate(0))
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring.Ring(), revocation.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	sessions, err := httpmw.New[struct{}](ring, list, httpmw.Config{App: "shop", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	for name, view := range map[string]metric.View{
		"classic": func(metric.Instrument) (metric.Stream, bool) { return metric.Stream{}, false },
		"exponential": metric.NewView(metric.Instrument{Kind: metric.InstrumentKindHistogram},
			metric.Stream{Aggregation: metric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 3}}),
	} {
		t.Run(name, func(t *testing.T) {
			reader, second := metric.NewManualReader(), metric.NewManualReader()
			provider := metric.NewMeterProvider(metric.WithReader(reader), metric.WithReader(second), metric.WithView(view))
			defer provider.Shutdown(t.Context())
			registration, err := waferotel.Register(provider.Meter("github.com/wafer-sessions/wafer"), waferotel.Parts{
				Apps: map[string]waferotel.Manager{"shop": sessions}, List: list, Keys: ring,
			})
			if err != nil {
				t.Fatal(err)
			}
			before := sessions.Stats()
			for range 3 {
				if _, err := sessions.Issue(t.Context(), httpmw.Identity{Subject: "ada"}, struct{}{}, 0); err != nil {
					t.Fatal(err)
				}
			}
			var both sync.WaitGroup // two exporters may collect at once
			for range 10 {
				both.Go(func() { collect(t, second) })
			}
			both.Wait()
			all := collect(t, reader)
			if got := all["wafer.logins wafer.app=shop"]; got != float64(before.Logins+3) {
				t.Errorf("%v logins", got)
			}
			if got := all["wafer.list.state wafer.state=synced"]; got != 1.0 {
				t.Errorf("the list is synced: %v", got)
			}
			checkSizes(t, all["wafer.token.size wafer.app=shop,wafer.kind=bearer"], sessions.Stats(), before)

			if err := registration.Unregister(); err != nil {
				t.Fatal(err)
			}
			if _, still := collect(t, reader)["wafer.logins wafer.app=shop"]; still {
				t.Error("it is still read")
			}
		})
	}
}

// checkSizes compares the histogram that the SDK made of the three tokens since before.
func checkSizes(t *testing.T, got any, now, before httpmw.Stats) {
	t.Helper()
	sum := now.Sizes["bearer"].Sum - before.Sizes["bearer"].Sum
	switch p := got.(type) {
	case metricdata.HistogramDataPoint[float64]:
		if p.Count != 3 || math.Abs(p.Sum-sum) > 1e-9*sum || p.Bounds[0] != 128 || p.BucketCounts[2] != 3 {
			t.Errorf("%+v, want 3 tokens with %v bytes", p, sum)
		}
	case metricdata.ExponentialHistogramDataPoint[float64]:
		if p.Count != 3 || math.Abs(p.Sum-sum) > 1e-9*sum || p.Scale != 3 {
			t.Errorf("%+v, want 3 tokens with %v bytes", p, sum)
		}
		mean := sum / 3
		if low := math.Exp2(float64(p.PositiveBucket.Offset) / 8); len(p.PositiveBucket.Counts) != 1 || mean <= low || mean > low*math.Exp2(1.0/8) {
			t.Errorf("they are above %v, want %v: %+v", low, mean, p.PositiveBucket)
		}
	default:
		t.Errorf("a %T", got)
	}
}

// The page shows how to register, and this is that code.
func Example() {
	ring := keys.Static(keys.Generate(0))
	list := revocation.Disabled(ring.Ring())
	sessions, err := httpmw.New[struct{}](ring, list, httpmw.Config{App: "shop"})
	if err != nil {
		panic(err)
	}
	reader := metric.NewManualReader()

	provider := metric.NewMeterProvider(metric.WithReader(reader)) // with a reader that exports
	_, err = waferotel.Register(provider.Meter("github.com/wafer-sessions/wafer"), waferotel.Parts{
		Apps: map[string]waferotel.Manager{"shop": sessions},
		List: list,
		Keys: ring,
	})
	if err != nil {
		panic(err)
	}

	sessions.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		panic(err)
	}
	for _, m := range data.ScopeMetrics[0].Metrics {
		if m.Name == "wafer.requests.anonymous" {
			fmt.Println(m.Name, m.Data.(metricdata.Sum[float64]).DataPoints[0].Value)
		}
	}
	// Output: wafer.requests.anonymous 1
}

func TestPageShowsThisCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("sdk_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## OpenTelemetry\n")
	_, block, shown := strings.Cut(section, "```go\n")
	block, _, _ = strings.Cut(block, "```")
	if !found || !shown || !strings.Contains(string(code), block) {
		t.Errorf("nothing compiles this:\n%s", block)
	}
}
