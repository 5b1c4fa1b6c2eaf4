package faults

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const pagePath = "../../docs/faults.md"

// TestMatrix writes the part of the page between these lines.
const (
	tableBegins = "<!-- the table is written by make faults -->\n"
	tableEnds   = "<!-- end of the table -->\n"
)

// writeTable puts the table of rows into docs/faults.md.
func writeTable(t *testing.T, rows map[string]*row) {
	t.Helper()
	old, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(old), tableBegins)
	_, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 || len(rows) != len(kinds()) {
		t.Fatalf("the table was not written: %d of %d kinds were played", len(rows), len(kinds()))
	}
	if err := os.WriteFile(pagePath, []byte(before+tableBegins+table(rows)+tableEnds+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table returns rows in the order of kinds, and their sum.
func table(rows map[string]*row) string {
	var b strings.Builder
	b.WriteString("| fault | histories | requests | acknowledged | broken | forgiven | in step after, median / worst |\n|---|---|---|---|---|---|---|\n")
	var sum row
	sum.name, sum.broken, sum.forgiven = "**all**", map[string]int{}, map[string]int{}
	for _, k := range kinds() {
		r := rows[k.name]
		b.WriteString(r.String())
		sum.played += r.played
		sum.discarded += r.discarded
		sum.requests += r.requests
		sum.acked += r.acked
		for name, n := range r.broken {
			sum.broken[name] += n
		}
		for name, n := range r.forgiven {
			sum.forgiven[name] += n
		}
		sum.recovered = append(sum.recovered, r.recovered...)
	}
	b.WriteString(sum.String())
	fmt.Fprintf(&b, "\nDiscarded and played again because the machine stood still for longer than %v: %d histories.\n", stallLimit, sum.discarded)
	return b.String()
}

func (r *row) String() string {
	broken := named(r.broken)
	if broken == "" {
		broken = "0"
	}
	times := "–"
	if len(r.recovered) > 0 {
		slices.Sort(r.recovered)
		times = fmt.Sprintf("%s / %s", seconds(r.recovered[len(r.recovered)/2]), seconds(r.recovered[len(r.recovered)-1]))
	}
	return fmt.Sprintf("| %s | %d | %d | %d | %s | %s | %s |\n", r.name, r.played, r.requests, r.acked, broken, named(r.forgiven), times)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// The page has a row for every kind of fault, and explains every name in it.
func TestPage(t *testing.T) {
	b, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds() {
		if !strings.Contains(string(b), "| "+k.name+" | ") {
			t.Errorf("docs/faults.md has no row %q: run make faults", k.name)
		}
	}
	prose, _, _ := strings.Cut(string(b), tableBegins)
	for _, name := range []string{late, lostAck, relived, mistaken, failed, undecided, never,
		cutOff, behindLoss, twoPrimary, nobodyKnew, listLost, aMinute, settledHit, darkLogin, lostWater, lateSwitch} {
		if !strings.Contains(prose, "| "+name+" | ") {
			t.Errorf("docs/faults.md does not explain %q", name)
		}
	}
}
