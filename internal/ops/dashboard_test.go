package ops_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/internal/metrics"
)

var update = flag.Bool("update", false, "write docs/ops/dashboard.json")

// A panel is one diagram.
type panel struct {
	title, unit, about string
	queries            []query
}

type query struct{ expr, legend string }

// A section is some panels below a heading.
type section struct {
	title  string
	panels []panel
}

// chosen is which series a query takes: those of what is chosen at the top of the dashboard.
const chosen = `job=~"$job",instance=~"$instance"`

// overview is what an engineer looks at first. Everything else is made from the list of metrics.
var overview = section{"Overview", []panel{
	{"Alerts", "short", "Alerts of Wafer that fire now. docs/ops/runbook.md says what to do.", []query{
		{`sum by (alertname, severity) (ALERTS{alertname=~"Wafer.*",alertstate="firing",job=~"$job|"})`, "{{alertname}} ({{severity}})"},
	}},
	{"Time until a revocation takes effect", "s", "Time from the acknowledgement of a revocation until replicas refuse what it revoked. The promise is 2 s.", []query{
		{quantile(0.5, "wafer_enforce_seconds"), "median"}, {quantile(0.99, "wafer_enforce_seconds"), "99 %"},
	}},
	{"Sessions that get 503", "percentunit", "Share of the sessions that no replica can decide. The objective is 0.1 %.", []query{
		{`sum by (app) (rate(wafer_sessions_refused_total{` + chosen + `,reason="undecided"}[$__rate_interval]))` +
			` / (sum by (app) (rate(wafer_sessions_accepted_total{` + chosen + `}[$__rate_interval]))` +
			` + sum by (app) (rate(wafer_sessions_refused_total{` + chosen + `,reason="undecided"}[$__rate_interval])))`, "{{app}}"},
	}},
	{"Replicas by state", "short", "How many replicas are in which state. All should be synced.", []query{
		{`sum by (state) (wafer_list_state{` + chosen + `})`, "{{state}}"},
	}},
	{"Revocations that wait for the store", "short", "Revocations that only the replica knows that made them. More than a few mean that the store takes no writes.", []query{
		{`sum by (instance) (wafer_list_outbox{` + chosen + `})`, "{{instance}}"},
	}},
	{"Anomalies in a minute", "short", "What the replicas found wrong with the store. docs/metrics.md explains each kind.", []query{
		{`60 * sum by (kind) (rate(wafer_list_anomalies_total{` + chosen + `}[$__rate_interval]))`, "{{kind}}"},
	}},
}}

func quantile(q float64, name string) string {
	return fmt.Sprintf(`histogram_quantile(%v, sum by (le) (rate(%s_bucket{%s}[$__rate_interval])))`, q, name, chosen)
}

// sections returns the overview, and a panel for every metric.
func sections() []section {
	all := []section{overview, {title: "Requests and sessions"}, {title: "Revocation list"}, {title: "Keys"},
		{title: "Sessions moved from another system"}, {title: "Logout from the identity provider"}, {title: "Tokens that other programs ask about"}, {title: "Lists of devices"}, {title: "Process"}}
	for _, m := range metrics.All() {
		to := &all[slices.IndexFunc(all, func(s section) bool { return s.title == sectionOf(m) })]
		to.panels = append(to.panels, panelOf(m))
	}
	return all
}

func sectionOf(m *metrics.Metric) string {
	part, _, _ := strings.Cut(strings.TrimPrefix(m.Name, "wafer."), ".")
	switch {
	case part == "oauth":
		return "Tokens that other programs ask about"
	case part == "devices":
		return "Lists of devices"
	case slices.Contains(m.Labels, "app"):
		return "Requests and sessions"
	case slices.Contains(m.Labels, "from"):
		return "Sessions moved from another system"
	case slices.Contains(m.Labels, "provider"):
		return "Logout from the identity provider"
	case part == "ring" || part == "key":
		return "Keys"
	case part == "build":
		return "Process"
	}
	return "Revocation list"
}

// unixTime reports whether the values of m are times and not durations.
func unixTime(m *metrics.Metric) bool { return strings.Contains(m.Help, "in Unix time") }

func panelOf(m *metrics.Metric) panel {
	name := m.Prometheus()
	title := strings.NewReplacer(".", " ", "_", " ").Replace(strings.TrimPrefix(m.Name, "wafer."))
	p := panel{title: strings.ToUpper(title[:1]) + title[1:], about: m.Help + " (" + name + ")"}
	switch {
	case m.Kind == metrics.Histogram:
		p.queries = []query{{quantile(0.5, name), "median"}, {quantile(0.99, name), "99 %"}}
	case m.Kind == metrics.Counter:
		by := ""
		if len(m.Labels) > 0 {
			by = "by (" + strings.Join(m.Labels, ", ") + ") "
		}
		p.queries = []query{{fmt.Sprintf(`sum %s(rate(%s{%s}[$__rate_interval]))`, by, name, chosen), legend(m.Labels)}}
		p.title += " per second"
	default:
		labels := append([]string{"instance"}, m.Labels...)
		expr := fmt.Sprintf(`max by (%s) (%s{%s})`, strings.Join(labels, ", "), name, chosen)
		if unixTime(m) {
			expr = "1000 * (" + expr + " > 0)"
		}
		p.queries = []query{{expr, legend(labels)}}
	}
	p.unit = unitOf(m)
	return p
}

// unitOf returns Grafana's name of the unit.
func unitOf(m *metrics.Metric) string {
	switch {
	case m.Kind == metrics.Counter:
		return "cps"
	case unixTime(m):
		return "dateTimeFromNow"
	}
	if unit, ok := map[string]string{"s": "s", "By": "bytes", "1": "percentunit"}[m.Unit]; ok {
		return unit
	}
	return "short"
}

func legend(labels []string) string {
	var parts []string
	for _, l := range labels {
		parts = append(parts, "{{"+l+"}}")
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, " ")
}

// The dashboard is up to date, and every panel is explained.
func TestDashboard(t *testing.T) {
	want := dashboard(t)
	if *update {
		if err := os.WriteFile("../../docs/ops/dashboard.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(want, []byte(read(t, "dashboard.json"))) {
		t.Error("docs/ops/dashboard.json is out of date: go generate ./internal/ops")
	}
	for _, s := range sections() {
		for _, p := range s.panels {
			if p.title == "" || p.unit == "" || len(p.about) < 10 || len(p.queries) == 0 {
				t.Errorf("%s: a panel lacks something: %+v", s.title, p)
			}
		}
	}
}

func TestDashboardUsesMetricsThatExist(t *testing.T) {
	k := scraped(t)
	for _, s := range sections() {
		for _, p := range s.panels {
			for _, q := range p.queries {
				if wrong := k.wrong(q.expr); len(wrong) > 0 {
					t.Errorf("%s: nothing exports %q", p.title, wrong)
				}
			}
		}
	}
}

type object = map[string]any

// source is the Prometheus that is chosen at the top of the dashboard.
var source = object{"type": "prometheus", "uid": "${datasource}"}

// variable returns a choice at the top of the dashboard.
func variable(name, label, query string) object {
	return object{
		"name": name, "label": label, "type": "query", "datasource": source, "query": query, "refresh": 2, "multi": true, "includeAll": true,
		"allValue": ".*", "current": object{"text": "All", "value": "$__all"}, "sort": 1,
	}
}

// dashboard returns the dashboard as Grafana imports it.
func dashboard(t *testing.T) []byte {
	t.Helper()
	var panels []object
	id, y := 0, 0
	place := func(x, w, h int) object { id++; return object{"x": x, "y": y, "w": w, "h": h} }
	for i, s := range sections() {
		pos := place(0, 24, 1)
		panels = append(panels, object{"id": id, "type": "row", "title": s.title, "collapsed": false, "gridPos": pos, "panels": []object{}})
		y++
		for j, p := range s.panels {
			var targets []object
			for k, q := range p.queries {
				targets = append(targets, object{"refId": string(rune('A' + k)), "datasource": source, "expr": q.expr, "legendFormat": q.legend})
			}
			pos := place(j%3*8, 8, 8)
			panels = append(panels, object{
				"id": id, "type": "timeseries", "title": p.title, "description": p.about, "gridPos": pos, "datasource": source, "targets": targets,
				"fieldConfig": object{"defaults": object{"unit": p.unit}, "overrides": []object{}},
			})
			if j%3 == 2 || j == len(s.panels)-1 {
				y += 8
			}
		}
		if len(s.panels) == 0 {
			t.Errorf("section %d has no panels", i)
		}
	}
	all := object{
		"uid": "wafer", "title": "Wafer", "tags": []string{"wafer"}, "schemaVersion": 39, "version": 1, "editable": true, "refresh": "30s",
		"time": object{"from": "now-3h", "to": "now"}, "timezone": "browser", "panels": panels,
		"templating": object{"list": []object{
			{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
			variable("job", "Application", "label_values(wafer_list_state, job)"),
			variable("instance", "Replica", `label_values(wafer_list_state{job=~"$job"}, instance)`),
		}},
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(all); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
