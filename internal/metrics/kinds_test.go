package metrics_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/internal/metrics"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// labelled collects the last label of each series, by the name of the metric.
type labelled map[string][]string

func (l labelled) Number(m *metrics.Metric, _ float64, labels ...string) {
	if len(labels) > 0 {
		l[m.Name] = append(l[m.Name], labels[len(labels)-1])
	}
}

func (labelled) Histogram(*metrics.Metric, histogram.Snapshot, ...string) {}

// Every anomaly that a replica counts is there from the first scrape, so that an alert sees the first
// one, and is in both lists of them.
func TestKindsOfAnomalies(t *testing.T) {
	files, err := filepath.Glob("../replica/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files: ", err)
	}
	var kinds []string
	for _, name := range files {
		for _, m := range regexp.MustCompile(`anomalies\.add\("(\w+)"\)`).FindAllStringSubmatch(text(t, name), -1) {
			kinds = append(kinds, m[1])
		}
	}
	slices.Sort(kinds)
	if kinds = slices.Compact(kinds); len(kinds) < 10 {
		t.Fatalf("only %q found", kinds)
	}
	first := labelled{}
	metrics.Parts{List: revocation.Disabled(keys.Generate(0))}.Collect(first)
	page, stats := line(text(t, "../../docs/metrics.md"), "| `wafer_list_anomalies_total`"), line(text(t, "../../revocation/stats.go"), "\tAnomalies ")
	for _, kind := range kinds {
		if !slices.Contains(first["wafer.list.anomalies"], kind) {
			t.Errorf("no series of %s", kind)
		}
		if !strings.Contains(page, "`"+kind+"`") {
			t.Errorf("docs/metrics.md lacks %s", kind)
		}
		if !strings.Contains(stats, `"`+kind+`"`) {
			t.Errorf("revocation.Stats lacks %s", kind)
		}
	}
}

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// line returns the line of text that begins so.
func line(text, begin string) string {
	_, rest, _ := strings.Cut(text, "\n"+begin)
	found, _, _ := strings.Cut(rest, "\n")
	return found
}
