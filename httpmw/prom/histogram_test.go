package prom

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/wafer-sessions/wafer/internal/histogram"
)

// classicEnds are exponents of two, and the same as numbers.
var classicEnds, classicBounds = []int{-30, -20, -10, -1, 0, 1, 4, 20}, []float64{0x1p-30, 0x1p-20, 0x1p-10, 0.5, 1, 2, 16, 0x1p20}

// compare records values in our histogram and in Prometheus' own, and compares what they send.
func compare(t *testing.T, values []float64) {
	t.Helper()
	theirs := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "wafer_test_seconds", Buckets: classicBounds,
		NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: histogram.ZeroThreshold,
	})
	var ours histogram.Histogram
	for _, v := range values {
		ours.Record(v)
		theirs.Observe(v)
	}
	desc := prometheus.NewDesc("wafer_test_seconds", "", nil, nil)
	var got, want dto.Metric
	if err := newHistogram(desc, ours.Snapshot(), classicEnds).Write(&got); err != nil {
		t.Fatal(err)
	}
	if err := theirs.Write(&want); err != nil {
		t.Fatal(err)
	}
	// Prometheus' histogram adds in two places, in another order.
	sum := want.GetHistogram().GetSampleSum()
	if math.Abs(got.GetHistogram().GetSampleSum()-sum) > 1e-9*math.Abs(sum) {
		t.Errorf("the sum is %v, want %v", got.GetHistogram().GetSampleSum(), sum)
	}
	if diff := cmp.Diff(plain(&want), plain(&got)); diff != "" {
		t.Errorf("%v (-prometheus +ours):\n%s", values, diff)
	}
}

// plain returns all that a histogram says, except its sum.
func plain(m *dto.Metric) map[string]any {
	h := m.GetHistogram()
	all := map[string]any{
		"count": h.GetSampleCount(), "zero": h.GetZeroCount(), "threshold": h.GetZeroThreshold(), "schema": h.GetSchema(), "deltas": h.GetPositiveDelta(),
	}
	var spans, classic [][2]float64
	for _, s := range h.GetPositiveSpan() {
		spans = append(spans, [2]float64{float64(s.GetOffset()), float64(s.GetLength())})
	}
	for _, b := range h.GetBucket() {
		classic = append(classic, [2]float64{b.GetUpperBound(), float64(b.GetCumulativeCount())})
	}
	all["spans"], all["classic"] = spans, classic
	return all
}

// Prometheus' own native histogram has the same buckets.
func TestSameAsPrometheus(t *testing.T) {
	compare(t, nil)
	compare(t, []float64{0, 0, 1})
	for n := -239; n <= 272; n++ {
		end := histogram.UpperBound(n)
		compare(t, []float64{end, math.Nextafter(end, 0), min(math.Nextafter(end, math.Inf(1)), 1<<34)})
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		values := make([]float64, random.IntN(200))
		spread := random.Float64() * 40
		for i := range values {
			values[i] = time.Duration(math.Exp2(random.Float64()*spread + 10)).Seconds()
		}
		compare(t, values)
	}
}

func FuzzSameAsPrometheus(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x3f\x00\x00\x00"))
	f.Add([]byte("\x01\x00\x00\x00\x3f\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x3f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var values []float64
		for ; len(b) >= 8; b = b[8:] {
			values = append(values, time.Duration(binary.LittleEndian.Uint64(b)>>1).Seconds())
		}
		compare(t, values)
	})
}
