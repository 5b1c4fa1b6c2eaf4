package ops_test

import (
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/prom"
	"github.com/wafer-sessions/wafer/internal/metrics"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// known are the names, labels and values of labels of all metrics.
type known map[string]map[string]map[string]bool // metric, label, value

type mover struct{}

func (mover) Stats() adopt.Stats { return adopt.Stats{} }

type receiver struct{}

func (receiver) Counts() (requests, fetches map[string]uint64) {
	return map[string]uint64{"ended": 0, "unavailable": 0}, nil
}

type endpoints struct{}

func (endpoints) Counts() map[string]map[string]uint64 {
	return map[string]map[string]uint64{"introspect": {"invalid_client": 0}, "revoke": {"invalid_client": 0}}
}

type registry struct{}

func (registry) Stats() devices.Stats { return devices.Stats{} }

// scraped returns what an application exports that has everything.
func scraped(t *testing.T) known {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	ring := keys.Static(keys.Generate(0))
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring.Ring(), revocation.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	sessions, err := httpmw.New[struct{}](ring, list, httpmw.Config{App: "shop", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	parts := prom.Parts{
		Apps: map[string]prom.Manager{"shop": sessions}, Movers: map[string]prom.Mover{"gorilla": mover{}},
		Receivers: map[string]prom.Receiver{"provider": receiver{}}, Endpoints: map[string]prom.Endpoints{"shop": endpoints{}},
		Devices: map[string]prom.Devices{"shop": registry{}}, List: list, Keys: ring,
	}
	for f, v := range reflect.ValueOf(parts).Fields() {
		if v.IsZero() {
			t.Errorf("Parts.%s is not set here", f.Name)
		}
	}
	collector, err := prom.New(parts)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := known{}
	for _, f := range families {
		all[f.GetName()] = labelsOf(f)
	}
	for _, m := range metrics.All() { // those without a value yet
		if all[m.Prometheus()] == nil {
			all[m.Prometheus()] = map[string]map[string]bool{}
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d metrics found", len(all))
	}
	return all
}

// labelsOf returns the labels of a metric with their values.
func labelsOf(f *dto.MetricFamily) map[string]map[string]bool {
	labels := map[string]map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if labels[l.GetName()] == nil {
				labels[l.GetName()] = map[string]bool{}
			}
			labels[l.GetName()][l.GetValue()] = true
		}
	}
	return labels
}

var (
	selector = regexp.MustCompile(`(?:^|[^:a-z_])(wafer_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)(=~|=|!=|!~)"((?:[^"\\]|\\.)*)"`)
	series   = regexp.MustCompile(`_(bucket|count|sum)$`)
)

// wrong returns what a query selects that no application exports.
func (k known) wrong(query string) (all []string) {
	for _, s := range selector.FindAllStringSubmatch(query, -1) {
		labels, ok := k[s[1]]
		if !ok {
			labels, ok = k[series.ReplaceAllString(s[1], "")]
		}
		if !ok {
			all = append(all, s[1])
			continue
		}
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if slices.Contains([]string{"job", "instance", "le"}, m[1]) {
				continue
			}
			for _, value := range strings.Split(m[3], "|") {
				if !labels[m[1]][value] && !strings.Contains(value, "$") {
					all = append(all, s[1]+"{"+m[1]+"="+value+"}")
				}
			}
		}
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/ops/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWhatDoesNotExistIsFound(t *testing.T) {
	k := known{"wafer_reads_total": {"result": {"ok": true}}, "wafer_took_seconds": {}}
	for query, want := range map[string]string{
		`rate(wafer_reads_total[5m])`:                          "",
		`rate(wafer_reads_total{job="a",result=~"ok"}[5m])`:    "",
		`sum by (le) (rate(wafer_took_seconds_bucket[5m]))`:    "",
		`app:wafer_recorded:ratio5m > 1`:                       "",
		`rate(wafer_writes_total[5m])`:                         "wafer_writes_total",
		`1 - wafer_reads_total{result=~"ok|failed"}`:           "wafer_reads_total{result=failed}",
		`wafer_reads_total{kind="ok"}`:                         "wafer_reads_total{kind=ok}",
		`wafer_reads_total{result="ok"} / wafer_written_total`: "wafer_written_total",
	} {
		if got := strings.Join(k.wrong(query), " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
