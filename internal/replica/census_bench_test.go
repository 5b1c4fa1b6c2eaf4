package replica

import (
	"math/rand/v2"
	"testing"
	"time"
)

// What counting adds to a decision: the same decisions with it and without, in turns, so that both
// see the same machine.
func BenchmarkCounting(b *testing.B) {
	l := holding(b, Config{}, fullViewOnce(b, 10_000))
	qs := sessions(1<<12, 30_000)
	var with, without time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begun := cpuTime()
		for i := range qs {
			qs[i].tagged = false
			l.decide(&qs[i], time.Now())
		}
		without += cpuTime() - begun
		begun = cpuTime()
		for i := range qs {
			qs[i].tagged = false
			if l.decide(&qs[i], time.Now()).Outcome == Accept {
				l.census.saw(&qs[i])
			}
		}
		with += cpuTime() - begun
	}
	n := float64(b.N * len(qs))
	b.ReportMetric(float64(without.Nanoseconds())/n, "cpu-ns/decision")
	b.ReportMetric(float64((with-without).Nanoseconds())/n, "cpu-ns/counted")
	b.ReportMetric(float64(with)/float64(without), "ratio")
}

// One turn of the count of a replica that knows 15 pairs of full sketches, without the store's part.
func BenchmarkCountingTurn(b *testing.B) {
	now := time.Now()
	l := holding(b, Config{}, viewAt())
	c := &l.census
	c.active, c.whole = seriesOf(2 * time.Hour)
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range []*series{c.active, c.whole} {
		for number := intervalAt(now, s.width) - s.past; number <= intervalAt(now, s.width); number++ {
			in := s.at(number)
			for range 100_000 {
				tag := [16]byte(randomTag(r))
				in.sessions.Add(&tag)
				in.subjects.Add(&tag)
			}
		}
	}
	c.live.Store(c.active.at(intervalAt(now, shortest)))
	b.ReportAllocs()
	for b.Loop() {
		c.next = time.Time{}
		l.count(b.Context(), now)
	}
}
