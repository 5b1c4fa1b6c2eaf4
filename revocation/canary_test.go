package revocation_test

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// crew opens n replicas of the list in s, which write canaries.
func crew(t *testing.T, s revlog.Store, n int, c revocation.Config) (all []*revocation.List) {
	t.Helper()
	for range n {
		all = append(all, openWith(t, s, c))
	}
	return all
}

// canaries returns the canaries in the log of s, oldest first.
func canaries(s *revlog.Memory) []revlog.Entry {
	return slices.DeleteFunc(s.State().Entries, func(e revlog.Entry) bool { return !e.Canary() })
}

// tries counts the canaries that replicas asked s to write.
func tries(s *revlogtest.Faulty) (n int) {
	for _, w := range s.Writes() {
		for _, a := range w.Asserts() {
			if a.Entry().Canary() {
				n++
			}
		}
	}
	return n
}

// most returns the upper end of the highest bucket of h.
func most(h revocation.Histogram) time.Duration {
	if len(h.Buckets) == 0 {
		return 0
	}
	return time.Duration(histogram.UpperBound(h.Buckets[len(h.Buckets)-1].N) * float64(time.Second))
}

func TestR33OneReplicaWritesTheCanary(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		store := revlogtest.NewFaulty(memory)
		all := crew(t, store, 15, revocation.Config{})
		time.Sleep(5 * time.Minute)
		sung := canaries(memory)
		if n := len(sung); n < 29 || n > 30 {
			t.Fatalf("%d canaries in five minutes", n)
		}
		for i, e := range sung[1:] {
			if d := e.Position.MS - sung[i].Position.MS; i > 0 && (d < 9_700 || d > 10_300) {
				t.Errorf("%d ms between two canaries", d)
			}
		}
		if n := tries(store); n > 30+15 { // the first one is written by whoever is first
			t.Errorf("%d attempts to write %d canaries", n, len(sung))
		}
		for _, l := range all {
			h := l.Stats().Enforced
			if int(h.Count) < len(sung)-1 || int(h.Count) > len(sung) {
				t.Errorf("%d of %d canaries measured", h.Count, len(sung))
			}
			if h.Zero > 0 || most(h) > 250*time.Millisecond {
				t.Errorf("measured %+v", h)
			}
			if s := l.Stats(); len(s.Anomalies) > 0 || s.Outbox > 0 || s.Acknowledged > 0 {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestR33AnotherReplicaTakesOver(t *testing.T) {
	for _, tt := range []struct {
		name string
		stop func(store *revlogtest.Faulty, writer *revocation.List)
	}{
		{"the writer is closed", func(_ *revlogtest.Faulty, writer *revocation.List) { writer.Close() }},
		{"the writer is cut off", func(s *revlogtest.Faulty, _ *revocation.List) { s.Fail() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				memory := revlog.NewMemory()
				first := revlogtest.NewFaulty(memory)
				writer := crew(t, first, 1, revocation.Config{})[0]
				time.Sleep(25 * time.Second) // so it is the writer
				others := crew(t, memory, 20, revocation.Config{})
				time.Sleep(10 * time.Second)
				before := len(canaries(memory))
				tt.stop(first, writer)
				time.Sleep(2 * time.Minute)
				sung := canaries(memory)
				if n := len(sung) - before; n < 11 {
					t.Errorf("%d canaries in two minutes", n)
				}
				for i := range sung[1:] {
					if d := sung[i+1].Position.MS - sung[i].Position.MS; d > 17_500 {
						t.Errorf("no canary for %d ms", d)
					}
				}
				for _, l := range others {
					if h := l.Stats().Enforced; int(h.Count) < len(sung)-before || most(h) > 250*time.Millisecond {
						t.Errorf("measured %+v", h)
					}
				}
			})
		})
	}
}

func TestR33AReplicaThatHangsSaysHowLong(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		slow := revlogtest.NewFaulty(memory)
		crew(t, memory, 3, revocation.Config{})
		l := crew(t, slow, 1, revocation.Config{NoCanary: true})[0]
		time.Sleep(time.Minute)
		before := l.Stats().Enforced
		slow.Fail()
		time.Sleep(35 * time.Second)
		if n := l.Stats().Enforced.Count; n != before.Count {
			t.Errorf("%d canaries measured while the store is silent", n-before.Count)
		}
		slow.Recover()
		time.Sleep(time.Second)
		h := l.Stats().Enforced
		if n := h.Count - before.Count; n < 3 || n > 4 {
			t.Errorf("%d canaries measured after 35 s", n)
		}
		if d := most(h); d < 25*time.Second || d > 40*time.Second {
			t.Errorf("the longest took %v", d)
		}
	})
}

func TestR33ABootMeasuresNothingOld(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		crew(t, memory, 2, revocation.Config{})
		time.Sleep(5 * time.Minute)
		before := len(canaries(memory))
		l := crew(t, memory, 1, revocation.Config{})[0]
		time.Sleep(3 * time.Second) // which also fills in what is older
		if h, n := l.Stats().Enforced, len(canaries(memory))-before; int(h.Count) > n || h.Zero > 0 {
			t.Errorf("%d canaries came, measured %+v", n, h)
		}
	})
}

func TestR33TheClockOfAReplicaDoesNotCount(t *testing.T) {
	for _, off := range []time.Duration{-48 * time.Hour, -time.Minute, -80 * time.Millisecond, 80 * time.Millisecond, time.Minute, 20 * time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				memory := revlog.NewMemory()
				memory.SetClock(func() time.Time { return time.Now().Add(off) })
				l := crew(t, memory, 3, revocation.Config{})[0]
				time.Sleep(time.Minute)
				h := l.Stats().Enforced
				if h.Count < 5 || h.Zero > 0 || most(h) > 250*time.Millisecond {
					t.Errorf("measured %+v", h)
				}
				// The store's clock is set back: log time goes on ahead of it, and is no measure.
				memory.SetClock(func() time.Time { return time.Now().Add(off - 30*time.Second) })
				time.Sleep(45 * time.Second)
				later := l.Stats().Enforced
				mean := (later.Sum - h.Sum) / float64(later.Count-h.Count)
				if later.Count == h.Count || mean < 0.15 || most(later) > 480*time.Millisecond {
					t.Errorf("then %+v", later)
				}
			})
		})
	}
}

func TestR33ACanaryRevokesNobody(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		store := revlogtest.NewFaulty(memory)
		l := crew(t, store, 1, revocation.Config{})[0]
		q := login(t, l, 1, "ada", "tenant:7")
		before := l.Stats()
		time.Sleep(30 * time.Minute)
		if v := verdict(t, l, q); v.Outcome != replica.Accept {
			t.Errorf("%+v", v)
		}
		s := l.Stats()
		if s.Entries > 0 || s.Bytes > before.Bytes+4096 || s.Confirms["store"] > before.Confirms["store"] {
			t.Errorf("the window has %d entries in %d bytes; %v", s.Entries, s.Bytes, s.Confirms)
		}
		if n := len(memory.State().Exact); n != 1 {
			t.Errorf("the exact set has %d entries", n)
		}
	})
}

// A store that lost nothing but canaries lost no revocation.
func TestR33ALostCanaryIsNoLoss(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		store := revlogtest.NewFaulty(memory)
		l := crew(t, store, 1, revocation.Config{})[0]
		time.Sleep(35 * time.Second)
		q := login(t, l, 1, "ada")
		old := memory.State()
		time.Sleep(20 * time.Second)
		if len(canaries(memory)) <= len(old.Entries) {
			t.Fatal("no canary was written since")
		}
		store.Replace(revlog.Restore(old, func(revlog.Change) error { return nil }))
		before := len(store.Writes())
		time.Sleep(2 * time.Second)
		for _, w := range store.Writes()[before:] {
			if r, ok := w.(revlog.Repair); ok && (len(r.Assertions) > 0 || r.Known > 0) {
				t.Errorf("a repair: %+v", r)
			}
		}
		if v := verdict(t, l, q); v.Outcome != replica.Accept {
			t.Errorf("%+v", v)
		}
	})
}

// A list that is lost is not filled with canaries again.
func TestR33CanariesAreNotWrittenBack(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := revlogtest.NewFaulty(revlog.NewMemory())
		crew(t, store, 1, revocation.Config{})
		time.Sleep(5 * time.Minute)
		empty := revlog.NewMemory()
		store.Replace(empty)
		time.Sleep(5 * time.Second)
		if n := len(canaries(empty)); n > 1 {
			t.Errorf("%d canaries in the new list", n)
		}
		time.Sleep(time.Minute)
		if n := len(canaries(empty)); n < 5 || n > 7 {
			t.Errorf("%d canaries after a minute", n)
		}
	})
}

func TestR33BesideABusyLog(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		all := crew(t, memory, 5, revocation.Config{})
		for range 30 { // 30,000 entries in a minute
			for range 1000 {
				var id [16]byte
				rand.Read(id[:])
				target := revocation.Session(base64.RawURLEncoding.EncodeToString(id[:]))
				if _, err := all[0].Revoke(t.Context(), target, revocation.Options{}); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(2 * time.Second)
		}
		for _, l := range all {
			h := l.Stats().Enforced
			if h.Count < 5 || h.Zero > 0 || most(h) > 250*time.Millisecond {
				t.Errorf("measured %+v", h)
			}
		}
	})
}

func TestR33CanariesCanBeTurnedOff(t *testing.T) {
	for _, c := range []revocation.Config{{NoCanary: true}, {Observer: true}} {
		bubble.Test(t, func(t *testing.T) {
			memory := revlog.NewMemory()
			l := crew(t, memory, 3, c)[0]
			time.Sleep(time.Minute)
			if n := len(canaries(memory)); n > 0 || l.Stats().Enforced.Count > 0 {
				t.Errorf("%d canaries", n)
			}
			all, err := l.Replicas(t.Context())
			if want := map[bool]int{false: 3, true: 0}[c.Observer]; err != nil || len(all) != want {
				t.Errorf("%d replicas are registered, want %d (%v)", len(all), want, err)
			}
		})
	}
}

// R32: a canary without a proof is counted once, like any other entry.
func TestR33AForgedCanaryIsOneForgery(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		l := openWith(t, memory, revocation.Config{NoCanary: true})
		time.Sleep(time.Second)
		forged := revlog.Assertion{
			Scope: revlog.ScopeSubject, Tag: revlog.Tag{1}, W: 1, Version: revlog.EntryVersion, Effect: revlog.End.Byte(),
			Params: revlog.CanaryParams, Limit: 1, MAC: [8]byte{1},
		}
		if _, err := memory.Write(t.Context(), revlog.Append{List: l.Replica().ListID(), Assertions: []revlog.Assertion{forged}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if s := l.Stats(); s.Anomalies["forged"] != 1 || s.Enforced.Count != 0 {
			t.Errorf("counted %v, and measured %d", s.Anomalies, s.Enforced.Count)
		}
	})
}
