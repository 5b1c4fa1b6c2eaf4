package alerts

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	writePage = flag.Bool("alerts.page", false, "write the table of docs/ops/README.md")
	only      = flag.String("alerts.fault", "", "play only the faults whose names match this")
)

const (
	fires  = 40 * time.Second // how long an alert may take to fire before the fault is played again
	clears = 2 * time.Minute  // and to clear
	tries  = 3
)

// A measured is one alert of a fault, with how long it took to fire and to clear.
type measured struct {
	fault, alert   string
	fired, cleared time.Duration
}

// hasty are alerts that a loaded machine can fire at this scale, where a condition needs to hold for a
// second or two only.
var hasty = []string{"WaferReplicaCutOff", "WaferReplicaStale", "WaferProcessPauses", "WaferRevocationsWait", "WaferUndecidedBurnsFast",
	"WaferUndecidedBurnsSlowly", "WaferEnforceBurnsFast", "WaferEnforceBurnsSlowly"}

func TestAlerts(t *testing.T) {
	installed(t, "prometheus")
	s := newStage(t, scaled(readOps(t, "alerts.yml")))
	s.queriesAnswer()
	var all []measured
	for _, f := range faults {
		if !regexp.MustCompile(*only).MatchString(f.name) {
			continue
		}
		all = append(all, s.check(f)...)
		if t.Failed() {
			return
		}
	}
	if *writePage && *only == "" {
		writeTable(t, all)
	}
}

func readOps(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../../../docs/ops/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// queriesAnswer checks that Prometheus evaluates every rule and every query of the dashboard, and that
// each finds data.
func (s *stage) queriesAnswer() {
	s.t.Helper()
	s.await("all rules were evaluated", func() bool {
		for _, r := range s.prom.rules() {
			if r.Health == "err" {
				s.t.Fatalf("%s: %s", r.Name, r.LastError)
			}
			if r.Health != "ok" {
				return false
			}
		}
		return true
	})
	queries := regexp.MustCompile(`wafer_[a-z_]+(\{[^}]*\})?`).FindAllString(comments.ReplaceAllString(readOps(s.t, "alerts.yml"), ""), -1)
	for _, m := range regexp.MustCompile(`"expr": (".*")`).FindAllStringSubmatch(readOps(s.t, "dashboard.json"), -1) {
		var expr string
		if err := json.Unmarshal([]byte(m[1]), &expr); err != nil {
			s.t.Fatal(err)
		}
		queries = append(queries, strings.NewReplacer("$__rate_interval", "1m", "$job", ".*", "$instance", ".*").Replace(expr))
	}
	if len(queries) < 100 {
		s.t.Fatalf("only %d queries found", len(queries))
	}
	for _, q := range queries {
		s.await(q+" finds data", func() bool {
			n, err := s.prom.query(q)
			if err != nil {
				s.t.Errorf("%s: %v", q, err)
			}
			return n > 0 || err != nil || absent.MatchString(q)
		})
	}
}

var (
	// recorded series are named app:wafer_…, and those are evaluated as rules
	comments = regexp.MustCompile(`(?m)^ *(#|runbook_url|description|summary).*$|(job|app):wafer_[a-z_]+:[a-z0-9_]+`)
	// absent is what these demos do not have: another system, a provider, endpoints for tokens, a limit of memory, an alert
	absent = regexp.MustCompile(`wafer_(moves|backchannel|oauth)_|wafer_store_limit_bytes|ALERTS|wafer_ring_sealing_until_seconds`)
)

// check plays a fault, and measures how its alerts fire and clear.
func (s *stage) check(f fault) []measured {
	s.inStep()
	s.await(f.name+": its alerts are quiet", func() bool { return s.quiet(f.alerts) })
	if len(f.alerts) == 0 {
		s.silent(f)
		return []measured{{fault: f.name}}
	}
	for try := 1; ; try++ {
		fired := map[string]time.Duration{}
		s.began = time.Now()
		end := f.play(s)
		for len(fired) < len(f.alerts) && time.Since(s.began) < fires {
			for name, firing := range s.prom.alerts() {
				if _, known := fired[name]; firing && !known && slices.Contains(f.alerts, name) {
					fired[name] = time.Since(s.began)
				}
			}
			<-time.After(100 * time.Millisecond)
		}
		end()
		if len(fired) == len(f.alerts) {
			return s.cleared(f, fired)
		}
		s.t.Logf("%s: after %v only %v fired; active: %v", f.name, fires, slices.Collect(maps.Keys(fired)), s.prom.alerts())
		if try == tries {
			s.t.Errorf("%s: its alerts did not fire", f.name)
			return nil
		}
		s.inStep()
	}
}

// cleared measures from the end of the fault.
func (s *stage) cleared(f fault, fired map[string]time.Duration) (all []measured) {
	ended := time.Now()
	took := map[string]time.Duration{}
	for len(took) < len(f.alerts) {
		if active := s.prom.alerts(); active != nil {
			for _, name := range f.alerts {
				if _, known := took[name]; !known && !active[name] {
					took[name] = time.Since(ended)
				}
			}
		}
		if time.Since(ended) > clears {
			s.t.Errorf("%s: after %v only %v are clear", f.name, clears, slices.Collect(maps.Keys(took)))
			return nil
		}
		<-time.After(100 * time.Millisecond)
	}
	for _, name := range f.alerts {
		s.t.Logf("%s: %s fired after %.1f s, cleared after %.1f s", f.name, name, fired[name].Seconds(), took[name].Seconds())
		all = append(all, measured{f.name, name, fired[name], took[name]})
	}
	return all
}

// quiet reports whether none of the alerts is active. Before a fault that fires nothing, no alert may
// be active but hasty ones.
func (s *stage) quiet(alerts []string) bool {
	active := s.prom.alerts()
	for name := range active {
		if slices.Contains(alerts, name) || len(alerts) == 0 && !slices.Contains(hasty, name) {
			return false
		}
	}
	return active != nil
}

// silent checks that a fault fires nothing.
func (s *stage) silent(f fault) {
	end := f.play(s)
	for until := time.Now().Add(8 * time.Second); time.Now().Before(until); <-time.After(200 * time.Millisecond) {
		for name, firing := range s.prom.alerts() {
			if firing && !slices.Contains(hasty, name) {
				s.t.Errorf("%s: %s fires", f.name, name)
				return
			}
		}
	}
	end()
}

// The test writes the part of the page between these lines.
const (
	tableBegins = "<!-- the table is written by make alerts -->\n"
	tableEnds   = "<!-- end of the table -->\n"
)

// page returns the parts of docs/ops/README.md before, in and after the table.
func page(t *testing.T) (before, table, after string) {
	t.Helper()
	before, rest, ok := strings.Cut(readOps(t, "README.md"), tableBegins)
	table, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		t.Fatal("docs/ops/README.md has no place for the table")
	}
	return before, table, after
}

// entry is an alert in the table.
func entry(alert string) string {
	if alert == "" {
		return "none"
	}
	return fmt.Sprintf("[%s](runbook.md#%s)", alert, strings.ToLower(alert))
}

func writeTable(t *testing.T, all []measured) {
	t.Helper()
	before, _, after := page(t)
	var b strings.Builder
	b.WriteString("| fault | alert | fired after | cleared after |\n|---|---|---|---|\n")
	for i, m := range all {
		name := m.fault
		if i > 0 && all[i-1].fault == name {
			name = ""
		}
		times := "– | –"
		if m.alert != "" {
			times = fmt.Sprintf("%.1f s | %.1f s", m.fired.Seconds(), m.cleared.Seconds())
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, entry(m.alert), times)
	}
	if err := os.WriteFile("../../../docs/ops/README.md", []byte(before+tableBegins+b.String()+tableEnds+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The page has a row for every fault and each of its alerts.
func TestPage(t *testing.T) {
	_, table, _ := page(t)
	var want, got []string
	for _, f := range faults {
		alerts := f.alerts
		if len(alerts) == 0 {
			alerts = []string{""}
		}
		for i, a := range alerts {
			name := f.name
			if i > 0 {
				name = ""
			}
			want = append(want, name+" | "+entry(a))
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[2:] {
		if parts := strings.Split(line, " | "); len(parts) == 4 {
			got = append(got, strings.TrimPrefix(parts[0], "| ")+" | "+parts[1])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the table of docs/ops/README.md is out of date: make alerts\n%q\nwant\n%q", got, want)
	}
}
