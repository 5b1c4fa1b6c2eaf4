package meter_test

import (
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/meter"
)

var (
	start = time.Unix(1_767_225_600, 0)
	few   = meter.Limits{Tired: 4, Renewals: 6, All: 8}
)

func TestAProcessAlone(t *testing.T) {
	m := meter.New(few)
	seals := func(renewal bool) bool { return m.Count("a").Seal(renewal, start) }
	for range 4 {
		if m.Tired("a") || !seals(true) {
			t.Fatalf("refused, or tired already: %+v", m.Use("a"))
		}
	}
	if !m.Tired("a") || m.Left("a") != 0.5 {
		t.Errorf("tired: %v, left: %v", m.Tired("a"), m.Left("a"))
	}
	seals(true)
	seals(true)
	for range 20 {
		if seals(true) {
			t.Fatal("a renewal was sealed that leaves logins nothing")
		}
	}
	logins := 0
	for range 5 {
		if seals(false) {
			logins++
		}
	}
	if logins != 2 {
		t.Errorf("%d seals were left for logins, want 2", logins)
	}
	if u := m.Use("a"); u.Seals != 8 || m.Left("a") != 0 {
		t.Errorf("%+v, left %v: refused seals count", u, m.Left("a"))
	}
	if !m.Count("b").Seal(true, start) || m.Use("c") != (meter.Use{}) || m.Left("c") != 1 {
		t.Error("keys are not counted apart")
	}
	if m.Fleet() || m.Wake() != nil {
		t.Error("it says it counts a fleet")
	}
}

// Many goroutines seal at once: never more than may.
func TestNoRaceSealsMore(t *testing.T) {
	m := meter.New(meter.Limits{Renewals: 500, All: 1000})
	var done sync.WaitGroup
	var sealed [8]int
	for i := range sealed {
		done.Go(func() {
			for n := range 1000 {
				if m.Count("a").Seal(n%2 == 0, start.Add(time.Duration(n)*time.Second)) {
					sealed[i]++
				}
				m.Count("a").Opened(start)
			}
		})
	}
	done.Wait()
	sum := 0
	for _, n := range sealed {
		sum += n
	}
	if u := m.Use("a"); sum > 1000 || u.Seals != uint64(sum) || u.Sealed == 0 {
		t.Errorf("%d sealed, %+v", sum, u)
	}
}

func TestTimesNeverGoBack(t *testing.T) {
	m := meter.New(meter.Limits{})
	for _, d := range []time.Duration{time.Hour, 0, time.Minute} {
		m.Count("a").Seal(true, start.Add(d))
		m.Count("a").Opened(start.Add(2 * d))
	}
	if u := m.Use("a"); u.Sealed != start.Add(time.Hour).Unix() || u.Opened != start.Add(2*time.Hour).Unix() {
		t.Errorf("%+v", u)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	for name, m := range map[string]*meter.Meter{"a process": meter.New(meter.Limits{}), "a fleet": meter.NewFleet(meter.Limits{})} {
		now := start
		if n := testing.AllocsPerRun(1000, func() {
			now = now.Add(400 * time.Millisecond)
			m.Count("Qm9vaDEyMzQ").Seal(true, now)
			m.Count("Qm9vaDEyMzQ").Opened(now)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkSealAndOpen(b *testing.B) {
	m := meter.NewFleet(meter.Limits{})
	c := m.Count("Qm9vaDEyMzQ")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Seal(true, start)
			c.Opened(start)
		}
	})
}
