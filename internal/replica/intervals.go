package replica

import (
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/wafer-sessions/wafer/internal/sketch"
)

const (
	shortest     = 5 * time.Minute // interval
	mostPast     = 12              // intervals before the present one
	sketchFormat = 1
)

// seen holds who was seen in an interval.
type seen struct {
	number             int64 // of the interval since 1970
	sessions, subjects sketch.Sketch
}

func (s *seen) merge(o *seen) (grew bool) {
	a, b := s.sessions.Merge(&o.sessions), s.subjects.Merge(&o.subjects)
	return a || b
}

func (s *seen) encode() []byte {
	b := make([]byte, 1, 1+2*sketch.MaxSize)
	b[0] = sketchFormat
	return s.subjects.Append(s.sessions.Append(b))
}

var errSketch = errors.New("revocation: malformed sketch")

func parseSeen(b []byte) (*seen, error) {
	if len(b) == 0 || b[0] != sketchFormat {
		return nil, errSketch
	}
	s := new(seen)
	b, err := s.sessions.Parse(b[1:])
	if err == nil {
		b, err = s.subjects.Parse(b)
	}
	if err != nil || len(b) > 0 {
		return nil, errSketch
	}
	return s, nil
}

func intervalAt(t time.Time, width time.Duration) int64 { return t.UnixNano() / int64(width) }

// A series is the intervals of one width.
type series struct {
	width time.Duration
	past  int64           // how many intervals before the present one count
	kept  map[int64]*seen // those in which somebody was seen
	final map[int64]bool  // those that were read for the last time
}

// seriesOf returns the series of the shortest intervals and the one that covers idle, with at most
// mostPast intervals before the present one.
func seriesOf(idle time.Duration) (active, whole *series) {
	steps := func(d, width time.Duration) int64 { return int64((d + width - 1) / width) }
	width := shortest * time.Duration(max(1, steps(idle, mostPast*shortest)))
	whole = newSeries(width, max(1, steps(idle, width)))
	if width == shortest {
		return whole, whole
	}
	return newSeries(shortest, 1), whole
}

func newSeries(width time.Duration, past int64) *series {
	return &series{width: width, past: past, kept: map[int64]*seen{}, final: map[int64]bool{}}
}

// at returns what was seen in an interval, and begins to keep it.
func (s *series) at(number int64) *seen {
	if s.kept[number] == nil {
		s.kept[number] = &seen{number: number}
	}
	return s.kept[number]
}

// forget drops the intervals that do not count at now.
func (s *series) forget(now time.Time) {
	last := intervalAt(now, s.width)
	stale := func(number int64) bool { return number < last-s.past || number > last }
	maps.DeleteFunc(s.kept, func(number int64, _ *seen) bool { return stale(number) })
	maps.DeleteFunc(s.final, func(number int64, _ bool) bool { return stale(number) })
}

// name is that of an interval in the store.
func (s *series) name(number int64) string {
	return strconv.FormatInt(int64(s.width/time.Second), 10) + ":" + strconv.FormatInt(number, 10)
}

// union returns who was seen in the present interval and in those before it.
func (s *series) union(now time.Time, before int64) *seen {
	all, last := new(seen), intervalAt(now, s.width)
	for number, in := range s.kept {
		if number >= last-before && number <= last {
			all.merge(in)
		}
	}
	return all
}
