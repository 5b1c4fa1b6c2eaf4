package prom

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/wafer-sessions/wafer/internal/histogram"
)

// A histogramMetric is sent as classic buckets and as a native histogram at once: a Prometheus that
// scrapes native histograms keeps that one, any other keeps the buckets.
type histogramMetric struct {
	prometheus.Metric // for the description and the labels
	snapshot          histogram.Snapshot
	classic           []int // the ends of the classic buckets, as exponents of two
}

// newHistogram makes the metric of a snapshot. classic are the ends of the classic buckets as
// exponents of two, ascending.
func newHistogram(desc *prometheus.Desc, s histogram.Snapshot, classic []int, labels ...string) histogramMetric {
	return histogramMetric{prometheus.MustNewConstMetric(desc, prometheus.UntypedValue, 0, labels...), s, classic}
}

// Write implements [prometheus.Metric].
func (m histogramMetric) Write(out *dto.Metric) error {
	if err := m.Metric.Write(out); err != nil {
		return err
	}
	out.Untyped = nil
	spans, deltas := native(m.snapshot.Buckets)
	out.Histogram = &dto.Histogram{
		SampleCount: new(m.snapshot.Count),
		SampleSum:   new(m.snapshot.Sum),

		Schema:        new(int32(histogram.Schema)),
		ZeroThreshold: new(float64(histogram.ZeroThreshold)),
		ZeroCount:     new(m.snapshot.Zero),
		PositiveSpan:  spans,
		PositiveDelta: deltas,
	}
	for _, exponent := range m.classic {
		out.Histogram.Bucket = append(out.Histogram.Bucket, &dto.Bucket{
			UpperBound:      new(math.Ldexp(1, exponent)),
			CumulativeCount: new(m.snapshot.AtMost(exponent)),
		})
	}
	return nil
}

// bridged is how many empty buckets a span includes rather than end: another span takes as much
// room.
const bridged = 2

// native returns buckets as Prometheus encodes them: runs of neighbouring buckets, and the
// difference of each count to the one before.
func native(buckets []histogram.Bucket) (spans []*dto.BucketSpan, deltas []int64) {
	var last int64
	next := 0 // the number of the bucket after the last one that was added
	add := func(count int64) {
		*spans[len(spans)-1].Length++
		deltas = append(deltas, count-last)
		last = count
		next++
	}
	for _, b := range buckets {
		gap := b.N - next
		if len(spans) == 0 || gap > bridged {
			spans = append(spans, &dto.BucketSpan{Offset: new(int32(gap)), Length: new(uint32(0))})
			next = b.N
		}
		for next < b.N {
			add(0)
		}
		add(int64(b.Count))
	}
	return spans, deltas
}
