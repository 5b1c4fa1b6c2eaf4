// Package histogram counts durations and sizes by how large they are, for metrics.
//
// The buckets are those of Prometheus' native histograms with schema 3: eight for each factor of
// two, so a quantile is at most 9 % too high. A [Histogram] takes 4 KB, whatever it has seen.
package histogram

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// Schema is the resolution, as Prometheus' native histograms name it: a bucket is 2^(1/8) times
	// as wide as the one below it.
	Schema = 3
	// PerDoubling is the number of buckets for each factor of two.
	PerDoubling = 1 << Schema
	// ZeroThreshold is the largest value that counts as zero. It is a little less than a
	// nanosecond.
	ZeroThreshold = 1.0 / (1 << 30)

	lowest  = -30 * PerDoubling // the bucket that ends at ZeroThreshold
	highest = 34 * PerDoubling  // ends at 2^34: 544 years, 16 GiB
)

// bounds are the upper ends of the buckets between a half and one, without the last, which is one.
// The numbers are those of Prometheus' client, so that a value at a bound falls into the same
// bucket.
var bounds = [PerDoubling]float64{
	0.5, 0.5452538663326288, 0.5946035575013605, 0.6484197773255048,
	0.7071067811865475, 0.7711054127039704, 0.8408964152537144, 0.9170040432046711,
}

// A Histogram counts values in buckets. The zero value is ready. It is safe for concurrent use,
// takes no lock and allocates nothing. It must not be copied.
type Histogram struct {
	sum     atomic.Uint64 // the bits of a float64
	buckets [highest - lowest + 1]atomic.Uint64
}

// Observe counts a duration, in seconds. A negative one counts as zero.
func (h *Histogram) Observe(d time.Duration) { h.Record(d.Seconds()) }

// Record counts a value in any unit. A negative one counts as zero. It ignores what is not a
// number.
func (h *Histogram) Record(v float64) {
	if math.IsNaN(v) {
		return
	}
	v = max(v, 0)
	h.buckets[bucketOf(v)-lowest].Add(1)
	for {
		old := h.sum.Load()
		if h.sum.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// bucketOf returns the number of the bucket that holds v: the smallest n with v <= 2^(n/8), lowest
// for what counts as zero, and highest for whatever is above all buckets.
func bucketOf(v float64) int {
	switch {
	case v <= ZeroThreshold:
		return lowest
	case v > 1<<(highest/PerDoubling):
		return highest
	}
	half, exponent := math.Frexp(v) // v = half * 2^exponent, with half in [0.5, 1)
	n := 0
	for n < PerDoubling && bounds[n] < half {
		n++
	}
	return n + (exponent-1)*PerDoubling
}

// UpperBound returns the largest value that falls into bucket n. It is exactly 2^(n/8) where n is a
// multiple of 8.
func UpperBound(n int) float64 {
	exponent, part := n>>Schema, n&(PerDoubling-1)
	return math.Ldexp(bounds[part], exponent+1)
}

// Snapshot returns what was counted so far. Each call returns a slice of its own. Values that are
// recorded meanwhile may be missing from Sum and not from Count, or the other way round.
func (h *Histogram) Snapshot() Snapshot {
	s := Snapshot{Sum: math.Float64frombits(h.sum.Load())}
	for i := range h.buckets {
		n := h.buckets[i].Load()
		switch {
		case n == 0:
			continue
		case i == 0:
			s.Zero = n
		default:
			s.Buckets = append(s.Buckets, Bucket{N: i + lowest, Count: n})
		}
		s.Count += n
	}
	return s
}
