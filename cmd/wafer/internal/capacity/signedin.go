package capacity

import (
	"math"
	"time"
)

// Replicas that accept sessions estimate together how many are signed in. For each interval Redis
// keeps a pair of sketches: of the sessions that were accepted then, and of their subjects.
const (
	shortest = 5 * time.Minute // interval
	mostPast = 12              // intervals before the present one

	registers   = 1 << 14
	sketchBytes = registers + 8 // bytes in a replica
	few         = 4096          // registers, from which on a sketch is written with all of them
	fewEach     = 3             // bytes for each register of a smaller one
	fullSketch  = registers * 6 / 8
	pairBytes   = 100 // in Redis, beside the sketches

	countEvery    = time.Minute
	countCommands = 2      // of each series: a script that reads, and SET
	countTime     = 120e-6 // seconds of the processor for these
)

// A series is the intervals of one width.
type series struct {
	width time.Duration
	past  int // intervals before the present one that count
}

// seriesOf returns the series that cover 5 minutes and the longest idle limit.
func seriesOf(idle time.Duration) []series {
	steps := func(d, width time.Duration) int { return max(1, int((d+width-1)/width)) }
	width := shortest * time.Duration(steps(idle, mostPast*shortest))
	whole := series{width, steps(idle, width)}
	if width == shortest {
		return []series{whole}
	}
	return []series{{shortest, 1}, whole}
}

// kept is how many intervals Redis keeps at most. The last replica writes its part in the interval
// after, and then a pair is kept for two intervals more than it counts.
func (s series) kept() int { return 1 + 1 + s.past + 2 }

// storedSketch is how many bytes the sketch of n tags has in Redis.
func storedSketch(n int) float64 {
	set := registers * -math.Expm1(-float64(n)/registers) // registers that a tag reached
	if set < few {
		return 2 + fewEach*set
	}
	return 2 + fullSketch
}

// signedIn returns the memory that sketches take in Redis and in a replica, in bytes.
func (l Load) signedIn() (redis, replica int64) {
	if l.Sessions == 0 {
		return 0, 0
	}
	for _, s := range seriesOf(l.Idle) {
		// The allocator of Redis rounds up; a pair of full sketches becomes 28 KiB.
		redis += int64(float64(s.kept()) * (2*storedSketch(l.Sessions)*7/6 + pairBytes))
		replica += int64(s.past+1) * 2 * sketchBytes
	}
	return redis, replica
}
