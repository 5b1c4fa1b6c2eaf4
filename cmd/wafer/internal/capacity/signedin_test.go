package capacity

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/internal/sketch"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// pair returns what a replica writes of an interval in which it accepted n sessions of n subjects.
func pair(n int) []byte {
	var sessions, subjects sketch.Sketch
	for range n {
		var tags [2][16]byte
		rand.Read(tags[0][:]) // never fails
		rand.Read(tags[1][:])
		sessions.Add(&tags[0])
		subjects.Add(&tags[1])
	}
	return subjects.Append(sessions.Append([]byte{1}))
}

func TestMemoryOfSketches(t *testing.T) {
	s := redistest.Start(t)
	o, err := redisstore.ParseURL("redis://" + s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	store, err := redisstore.Open(t.Context(), o, redisstore.Config{AllowVolatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	for _, n := range []int{1, 100, 2_000, 10_000, 1_000_000} {
		l := Load{Sessions: n, Idle: 2 * time.Hour}
		value, used := pair(n), 0
		for _, of := range seriesOf(l.Idle) {
			for i := range of.kept() {
				name := fmt.Sprintf("%d:%d", of.width/time.Second, 2_000_000+i)
				if err := store.KeepSketch(t.Context(), name, value, time.Hour); err != nil {
					t.Fatal(err)
				}
				used += number(t, s.Do("MEMORY", "USAGE", "{wafer}:seen:"+name))
			}
		}
		near(t, fmt.Sprintf("sketches of %d sessions", n), float64(redisOf(l).SignedIn), float64(used))
	}
}

// Replicas that accept a session exchange sketches with Redis: for how long it keeps them, and with how
// many commands.
func TestCommandsOfSketches(t *testing.T) {
	s := redistest.Start(t)
	patient := revocation.Config{Within: 10 * time.Second, Logger: quiet} // a turn that takes longer than a quarter comes again a minute later
	first, second := replicaOn(t, s, patient), replicaOn(t, s, patient)
	accept(t, first, 1)
	keys := func() []string { return strings.Fields(s.Do("KEYS", "{wafer}:seen:*")) }
	redistest.Await(t, "the first replica has counted", func() bool { return len(keys()) == 2 })
	want := map[string]int{}
	for _, of := range seriesOf(2 * time.Hour) {
		want[strconv.Itoa(int(of.width/time.Second))] = of.past
	}
	got := map[string]int{}
	for _, key := range keys() {
		width := strings.Split(strings.TrimPrefix(key, "{wafer}:seen:"), ":")[0]
		kept := (number(t, s.Do("PTTL", key)) + 60_000) / 1000 // it was just written
		got[width] = kept/number(t, width) - 2
	}
	if !maps.Equal(got, want) {
		t.Errorf("intervals by seconds: %v, want %v", got, want)
	}
	commands := monitor(t, s, "seen:")
	accept(t, second, 2)
	redistest.Await(t, "the second replica has counted", func() bool { return second.Stats().SignedIn.Sessions == 2 })
	perMinute := redisOf(Load{Replicas: 1, Sessions: 1, Idle: 2 * time.Hour}).Commands - redisOf(Load{Replicas: 1, Idle: 2 * time.Hour}).Commands
	redistest.Await(t, "it has written", func() bool { return float64(commands.Load()) >= 60*perMinute })
	near(t, "commands of a turn", 60*perMinute, float64(commands.Load()))
}

// accept lets a replica accept a session.
func accept(t *testing.T, l *revocation.List, n byte) {
	t.Helper()
	r := l.Replica()
	start, err := r.Begin(t.Context(), replica.Login{Subject: revlog.Tag{n}})
	if err != nil {
		t.Fatal(err)
	}
	q := replica.Query{Session: [16]byte{n}, Subject: revlog.Tag{n}, Epoch: start.Epoch, Checked: start.Checked, Term: start.Term}
	redistest.Await(t, "the session is accepted", func() bool { return r.Decide(&q).Outcome == replica.Accept })
}

func TestSketchesOfAReplica(t *testing.T) {
	pairs := 0
	for _, of := range seriesOf(2 * time.Hour) {
		pairs += of.past + 1
	}
	near(t, "sketches", float64(replicaOf(Load{Sessions: 1, Idle: 2 * time.Hour}).SignedIn), float64(pairs*2*int(unsafe.Sizeof(sketch.Sketch{}))))
	if n := replicaOf(Load{Idle: 2 * time.Hour}).SignedIn; n != 0 {
		t.Errorf("%d bytes without sessions", n)
	}
}

// The series are those of the replicas.
func TestSeries(t *testing.T) {
	for idle, want := range map[time.Duration][]series{
		time.Minute:         {{5 * time.Minute, 1}},
		time.Hour:           {{5 * time.Minute, 12}},
		time.Hour + 1:       {{5 * time.Minute, 1}, {10 * time.Minute, 7}},
		2 * time.Hour:       {{5 * time.Minute, 1}, {10 * time.Minute, 12}},
		30 * 24 * time.Hour: {{5 * time.Minute, 1}, {60 * time.Hour, 12}},
	} {
		if got := seriesOf(idle); !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", idle, got, want)
		}
	}
}
