package histogram

import "math"

// A Snapshot is what a Histogram had counted at one moment.
type Snapshot struct {
	Count   uint64   // of all values: Zero and all Buckets
	Sum     float64  // of all values; of durations in seconds
	Zero    uint64   // values up to ZeroThreshold
	Buckets []Bucket // those that are not empty, by number
}

// A Bucket counts the values that are larger than UpperBound(N-1), and not larger than
// UpperBound(N).
type Bucket struct {
	N     int
	Count uint64
}

// AtMost returns how many values were not larger than 2^exponent, which is the end of a bucket.
func (s Snapshot) AtMost(exponent int) uint64 {
	if exponent*PerDoubling < lowest {
		return 0
	}
	n := s.Zero
	for _, b := range s.Buckets {
		if b.N > exponent*PerDoubling {
			break
		}
		n += b.Count
	}
	return n
}

// Quantile returns a value that a part q of all values, between 0 and 1, does not exceed: the end
// of a bucket, so it is at most 9 % too high. It returns 0 if nothing was counted.
func (s Snapshot) Quantile(q float64) float64 {
	need := max(1, uint64(math.Ceil(q*float64(s.Count))))
	seen := s.Zero
	if s.Count == 0 || seen >= need {
		return 0
	}
	for _, b := range s.Buckets {
		if seen += b.Count; seen >= need {
			return UpperBound(b.N)
		}
	}
	return 0 // Count says more than the buckets hold
}
