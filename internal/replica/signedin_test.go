package replica

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/sketch"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A crowd is sessions with numbers, and replicas that decide about them.
type crowd struct {
	t        *testing.T
	store    *revlog.Memory
	config   Config
	replicas []*Replica
	start    Start
}

func newCrowd(t *testing.T, replicas int, idle time.Duration) *crowd {
	c := &crowd{t: t, store: revlog.NewMemory(), config: Config{MaxIdle: idle, Logger: slog.New(slog.DiscardHandler)}}
	for range replicas {
		c.join()
	}
	var err error
	if c.start, err = c.replicas[0].Begin(t.Context(), Login{Subject: revlog.Tag{1}}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *crowd) join() *Replica {
	l, err := OpenByHand(c.t.Context(), c.store, revlogtest.Secrets(0), c.config)
	if err != nil {
		c.t.Fatal(err)
	}
	c.replicas = append(c.replicas, l)
	return l
}

// query is the session with number n. Two sessions in a row are of one subject.
func (c *crowd) query(l *Replica, n int) Query {
	q := Query{Epoch: c.start.Epoch, Checked: l.view.Load().m.MS, Term: c.start.Term}
	binary.BigEndian.PutUint64(q.Session[:], uint64(n)+1)
	r := rand.New(rand.NewPCG(uint64(n/2), 1)) // as a keyed tag looks
	binary.BigEndian.PutUint64(q.Subject[:], r.Uint64())
	return q
}

func (c *crowd) accept(l *Replica, from, to int) {
	c.t.Helper()
	for n := from; n < to; n++ {
		q := c.query(l, n)
		if v := l.Decide(&q); v.Outcome != Accept {
			c.t.Fatalf("session %d: %+v", n, v)
		}
	}
}

// pass lets time pass, with a step of each replica every 20 s, or every ten minutes of hours.
func (c *crowd) pass(d time.Duration) {
	step := 20 * time.Second
	if d > 2*time.Hour {
		step = 10 * time.Minute
	}
	for ; d > 0; d -= step {
		time.Sleep(step)
		c.step()
	}
}

func (c *crowd) step() {
	for _, l := range c.replicas {
		l.Step(context.Background())
	}
}

func (c *crowd) want(sessions, active int) {
	c.t.Helper()
	s, err := c.replicas[0].SignedIn(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	c.near("sessions", s.Sessions, sessions)
	c.near("subjects", s.Subjects, (sessions+1)/2)
	c.near("active sessions", s.ActiveSessions, active)
	c.near("active subjects", s.ActiveSubjects, (active+1)/2)
}

func (c *crowd) near(what string, got int64, want int) {
	c.t.Helper()
	if wrong := math.Abs(float64(got)-float64(want)) / max(1, float64(want)); wrong > 0.02 {
		c.t.Errorf("%s: %d, want %d, %.2f %% wrong", what, got, want, 100*wrong)
	}
}

// A million sessions over 24 replicas, each at two of them, are counted once, to 2 %. Every replica
// knows the number. The race detector makes do with fewer.
func TestSignedInOverTheFleet(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		const all, replicas = manySessions, 24
		c := newCrowd(t, replicas, 2*time.Hour)
		for i, l := range c.replicas {
			for k := range 2 { // its own part, and that of another
				part := (i + k*7) % replicas
				c.accept(l, all*part/replicas, all*(part+1)/replicas)
			}
		}
		c.pass(2 * time.Minute) // all write in the first step; in a step a minute later all read what the last one wrote
		c.want(all, all)
		for i, l := range c.replicas {
			s := l.Stats().SignedIn
			c.near("sessions", s.Sessions, all)
			if s.Window != 2*time.Hour || s.At.IsZero() {
				t.Errorf("replica %d: %+v", i, s)
			}
		}
	})
}

// A session counts from when it was accepted for the longest idle limit, and a twelfth of it more.
func TestSignedInForgets(t *testing.T) {
	for _, idle := range []time.Duration{10 * time.Minute, time.Hour, 2 * time.Hour, 24 * time.Hour} {
		t.Run(idle.String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				c := newCrowd(t, 2, idle)
				c.accept(c.replicas[0], 0, 1000)
				c.accept(c.replicas[1], 500, 1500)
				c.pass(2 * time.Minute)
				c.want(1500, 1500)
				c.pass(9 * time.Minute)
				c.accept(c.replicas[1], 1400, 1420)
				c.pass(2 * time.Minute)
				if idle > 15*time.Minute {
					c.want(1500, 20)
				}
				c.pass(idle - 15*time.Minute)
				if idle > 15*time.Minute {
					c.want(1500, 0)
				}
				c.pass(idle/6 + 15*time.Minute)
				c.want(0, 0)
			})
		})
	}
}

// What a replica saw counts also when that replica is gone: the sessions can still be used. It is
// forgotten like everything else. A replica that starts knows what the others saw.
func TestSignedInWhenReplicasComeAndGo(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		c := newCrowd(t, 3, time.Hour)
		c.accept(c.replicas[2], 0, 4000)
		c.pass(2 * time.Minute)
		c.replicas = c.replicas[:2]
		c.accept(c.replicas[0], 0, 10)
		c.pass(10 * time.Minute)
		c.want(4000, 0)

		started := c.join()
		c.replicas = []*Replica{started}
		c.step()
		if s := started.Stats().SignedIn; !s.At.IsZero() || s.Sessions != 0 {
			t.Errorf("a replica that has accepted no session counts: %+v", s)
		}
		c.accept(started, 10_000, 10_010)
		c.step()
		c.near("sessions", started.Stats().SignedIn.Sessions, 4010)
		c.pass(time.Hour + 10*time.Minute)
		c.want(0, 0)
	})
}

// Anonymous sessions and sessions that are refused do not count.
func TestSignedInCountsWhoIsAccepted(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		c := newCrowd(t, 1, time.Hour)
		l := c.replicas[0]
		c.accept(l, 0, 100)
		for n := range 50 {
			q := c.query(l, 1000+n)
			q.Subject = revlog.Tag{}
			if v := l.Decide(&q); v.Outcome != Accept {
				t.Fatal(v)
			}
			q = c.query(l, 2000+n)
			q.Epoch = l.view.Load().m.MS + hourMS
			if v := l.Decide(&q); v.Outcome == Accept {
				t.Fatal(v)
			}
		}
		c.step()
		c.want(100, 100)

		disabled := Disabled(revlogtest.Secrets(0))
		q := c.query(l, 1)
		disabled.Decide(&q)
		if s, err := disabled.SignedIn(t.Context()); !errors.Is(err, ErrDisabled) || s != (revlog.SignedIn{}) {
			t.Errorf("without a list: %+v, %v", s, err)
		}
	})
}

// badSketches are what somebody else may have put into the store.
func badSketches() map[string][]byte {
	good := new(seen).encode()
	full := append([]byte{sketchFormat, 0xff, 0xff}, bytes.Repeat([]byte{0x0c, 0x30, 0xc3}, (sketch.MaxSize-2)/3)...)
	return map[string][]byte{
		"garbage":           []byte("hello, world"),
		"another version":   append([]byte{sketchFormat + 1}, good[1:]...),
		"trailing bytes":    append(bytes.Clone(good), 0),
		"one of two":        full,
		"too long":          make([]byte, 10<<20),
		"too long, in form": append(bytes.Clone(good), make([]byte, 10<<20)...),
	}
}

// Bad sketches are ignored and counted, and replaced by good ones. The count goes on.
func TestSignedInIgnoresBadSketches(t *testing.T) {
	for name, bad := range badSketches() {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				c := newCrowd(t, 2, 2*time.Hour)
				c.accept(c.replicas[0], 0, 100)
				c.accept(c.replicas[1], 50, 150)
				c.step()
				for _, s := range []*series{c.replicas[0].census.active, c.replicas[0].census.whole} {
					for number := intervalAt(time.Now(), s.width) - s.past; number <= intervalAt(time.Now(), s.width); number++ {
						if err := c.store.KeepSketch(t.Context(), s.name(number), bad, time.Hour); err != nil {
							t.Fatal(err)
						}
					}
				}
				late := c.join() // reads all of them
				c.accept(late, 150, 160)
				c.pass(3 * time.Minute)
				c.want(160, 160)
				if n := late.Stats().Anomalies["sketch"]; n < 10 {
					t.Errorf("%d anomalies counted", n)
				}
				before := late.Stats().Anomalies["sketch"]
				c.pass(3 * time.Minute)
				if n := late.Stats().Anomalies["sketch"]; n != before {
					t.Errorf("%d more anomalies, though the sketches were replaced", n-before)
				}
			})
		})
	}
}

// Sessions that a replica accepts while it is cut off count when the store is back.
func TestSignedInAfterAnOutage(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		c := newCrowd(t, 1, 2*time.Hour)
		l := c.replicas[0]
		c.accept(l, 0, 100)
		c.pass(2 * time.Minute)
		l.silent.Store(true)
		time.Sleep(12 * time.Minute)
		c.accept(l, 100, 200)
		time.Sleep(8 * time.Minute)
		c.step()
		c.want(200, 0)
	})
}

// Without the store a replica knows what it saw itself. At says how old the rest is.
func TestSignedInWithoutStore(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		c := newCrowd(t, 1, time.Hour)
		faulty := revlogtest.NewFaulty(c.store)
		l, err := OpenByHand(t.Context(), faulty, revlogtest.Secrets(0), c.config)
		if err != nil {
			t.Fatal(err)
		}
		c.replicas = []*Replica{l}
		c.accept(l, 0, 100)
		c.step()
		heard := l.Stats().SignedIn.At
		faulty.Hook(func(h *revlogtest.Hooks) {
			h.Sketches = func(context.Context, []string) ([][]byte, error) { return nil, revlogtest.ErrFault }
		})
		c.accept(l, 100, 200)
		c.pass(2 * time.Minute)
		c.want(200, 200)
		if s := l.Stats().SignedIn; !s.At.Equal(heard) || heard.IsZero() {
			t.Errorf("At = %v, want %v", s.At, heard)
		}
		faulty.Recover()
		faulty.Hook(func(h *revlogtest.Hooks) {
			h.Sketches = func(context.Context, []string) ([][]byte, error) { return nil, nil }
		})
		c.pass(2 * time.Minute) // a store that answers nonsense
		c.want(200, 200)
		faulty.Fail()
		if s, err := l.SignedIn(t.Context()); !errors.Is(err, ErrLookup) || s.Sessions == 0 {
			t.Errorf("without the store: %+v, %v", s, err)
		}
	})
}

// A sketch is read as it is written, or not at all. It takes no more than MaxSketch.
func FuzzSeen(f *testing.F) {
	if biggest := 1 + 2*sketch.MaxSize; biggest > revlog.MaxSketch {
		f.Fatalf("a pair of sketches has up to %d bytes", biggest)
	}
	for _, b := range badSketches() {
		f.Add(b[:min(len(b), 1000)])
	}
	for _, n := range []int{0, 1, 100} {
		s := new(seen)
		for range n {
			var tag [16]byte
			binary.BigEndian.PutUint64(tag[:], rand.Uint64())
			s.sessions.Add(&tag)
			s.subjects.Add(&tag)
		}
		f.Add(s.encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSeen(b)
		if err == nil && !bytes.Equal(s.encode(), b) {
			t.Errorf("%x is read, and written as %x", b, s.encode())
		}
	})
}

// Two replicas that write at once overwrite each other's part. The next count puts it back.
func TestSignedInSurvivesOverwriting(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		c := newCrowd(t, 2, time.Hour)
		c.accept(c.replicas[0], 0, 100)
		c.accept(c.replicas[1], 100, 200)
		c.step()
		s := c.replicas[0].census.whole
		alone := s.at(intervalAt(time.Now(), s.width)).encode() // of the first: it has not read yet what the second wrote
		if err := c.store.KeepSketch(t.Context(), s.name(intervalAt(time.Now(), s.width)), alone, time.Hour); err != nil {
			t.Fatal(err)
		}
		c.pass(2 * time.Minute)
		started := c.join()
		c.accept(started, 0, 1)
		started.Step(t.Context())
		c.near("sessions", started.Stats().SignedIn.Sessions, 200)
	})
}
