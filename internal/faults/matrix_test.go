package faults

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/apptest"
)

var (
	histories = flag.Int("faults.histories", 0, "histories of each kind of fault; 0: one each of a few kinds")
	seed      = flag.Uint64("faults.seed", 0, "seed of the first history of each kind; 0: by the clock")
	page      = flag.Bool("faults.page", false, "write the table of docs/faults.md")
)

// stallLimit is how long the machine may keep this process from running. A history with a longer
// stall says nothing about the application, and is played again.
const stallLimit = 500 * time.Millisecond

func TestMain(m *testing.M) {
	apptest.Main(appEnv, serveApp)
	os.Exit(m.Run())
}

// A row holds the results of all histories of one kind.
type row struct {
	name                                         string
	played, discarded, requests, accepted, acked int
	broken, forgiven                             map[string]int
	recovered                                    []time.Duration
}

func kinds() []kind { return slices.Concat(single, failovers) }

// The application keeps the promises of docs/protocol.md under every kind of fault.
func TestMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("starting whole applications takes long")
	}
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano()) % 1e9
	}
	var mu sync.Mutex // owns rows
	rows := map[string]*row{}
	t.Run("kinds", func(t *testing.T) {
		for _, k := range kinds() {
			if *histories == 0 && !k.smoke {
				continue
			}
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				r := playAll(t, k, first)
				mu.Lock()
				defer mu.Unlock()
				rows[k.name] = r
			})
		}
	})
	for _, k := range kinds() {
		if r := rows[k.name]; r != nil {
			t.Log(strings.TrimSpace(r.String()))
		}
	}
	if *page {
		writeTable(t, rows)
	}
}

// playAll plays the histories of one kind.
func playAll(t *testing.T, k kind, seed uint64) *row {
	r := &row{name: k.name, broken: map[string]int{}, forgiven: map[string]int{}}
	for end := seed + uint64(max(1, *histories)); seed < end; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rec := history(t, k, seed)
			v := judged(rec)
			t.Logf("%d requests, %d accepted, %d acknowledged; in step after %v; forgiven %v; machine stalled for %v",
				v.requests, v.accepted, v.acked, rec.recovered, v.forgiven, rec.stalled)
			if rec.stalled > stallLimit {
				r.discarded++
				if r.discarded <= 2*max(1, *histories) {
					end++
				}
				t.Logf("discarded: broken would be %v: %s", v.broken, strings.Join(v.details, "\n"))
				return
			}
			r.add(rec, v)
			if len(v.broken) > 0 {
				t.Errorf("seed %d: broken %v\n%s", seed, v.broken, strings.Join(v.details, "\n"))
			}
		})
	}
	return r
}

func (r *row) add(rec *record, v verdict) {
	r.played++
	r.requests += v.requests
	r.accepted += v.accepted
	r.acked += v.acked
	for name, n := range v.broken {
		r.broken[name] += n
	}
	for name, n := range v.forgiven {
		r.forgiven[name] += n
	}
	if rec.recovered >= 0 {
		r.recovered = append(r.recovered, rec.recovered)
	}
}

// named returns counts as text, ordered by name.
func named(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(parts, ", ")
}
