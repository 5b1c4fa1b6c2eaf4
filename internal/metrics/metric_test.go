package metrics_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/internal/metrics"
)

// The names follow the conventions of Prometheus and of OpenTelemetry.
func TestDeclarations(t *testing.T) {
	all := metrics.All()
	if len(all) < 40 {
		t.Fatalf("only %d metrics", len(all))
	}
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
		if !regexp.MustCompile(`^wafer(\.[a-z]+(_[a-z]+)*)+$`).MatchString(m.Name) {
			t.Errorf("%s: the name has other characters than a-z, _ and .", m.Name)
		}
		if !regexp.MustCompile(`^(|s|By|1|\{[a-z]+\})$`).MatchString(m.Unit) {
			t.Errorf("%s: the unit %q is not known", m.Name, m.Unit)
		}
		if !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s: the help is no sentence: %s", m.Name, m.Help)
		}
		if (m.Kind == metrics.Histogram) != (len(m.Classic) > 0) {
			t.Errorf("%s: a %v with %d buckets", m.Name, m.Kind, len(m.Classic))
		}
		if m.Kind == metrics.Counter && !strings.HasPrefix(m.Unit, "{") {
			t.Errorf("%s: a counter of what?", m.Name)
		}
	}
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			t.Errorf("%s is declared twice", name)
		}
		// OpenTelemetry: no name is also the beginning of another one.
		if j := slices.IndexFunc(names, func(other string) bool { return strings.HasPrefix(other, name+".") }); j >= 0 {
			t.Errorf("%s is the beginning of %s", name, names[j])
		}
	}
}

func TestPrometheusNames(t *testing.T) {
	for _, row := range []struct {
		m    metrics.Metric
		want string
	}{
		{metrics.Metric{Name: "wafer.list.age", Unit: "s"}, "wafer_list_age_seconds"},
		{metrics.Metric{Name: "wafer.list.filter", Unit: "By"}, "wafer_list_filter_bytes"},
		{metrics.Metric{Name: "wafer.key.budget_left", Unit: "1"}, "wafer_key_budget_left_ratio"},
		{metrics.Metric{Name: "wafer.ring.keys", Unit: "{key}"}, "wafer_ring_keys"},
		{metrics.Metric{Name: "wafer.logins", Unit: "{login}", Kind: metrics.Counter}, "wafer_logins_total"},
		{metrics.Metric{Name: "wafer.decide", Unit: "s", Kind: metrics.Histogram}, "wafer_decide_seconds"},
	} {
		if got := row.m.Prometheus(); got != row.want {
			t.Errorf("%s is %s, want %s", row.m.Name, got, row.want)
		}
	}
}
