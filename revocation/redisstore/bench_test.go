package redisstore_test

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math"
	mrand "math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// These are the figures of docs/benchmarks.md:
//
//	go test -run '^$' -bench . -benchtime 1x ./revocation/redisstore

// replicas opens n lists, each with its own connection, like a process.
func replicas(b *testing.B, s *redistest.Server, n int) []*revocation.List {
	b.Helper()
	all := make([]*revocation.List, n)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			st, err := redisstore.Open(b.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}, PoolSize: 2}, redisstore.Config{AllowVolatile: true})
			if err != nil {
				b.Error(err)
				return
			}
			l, err := revocation.Open(b.Context(), st, revlogtest.Secrets(0), revocation.Config{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Error(err)
				return
			}
			all[i] = l
			b.Cleanup(func() {
				l.Close()
				st.Close()
			})
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return all
}

func share(all []time.Duration, of float64) float64 {
	slices.Sort(all)
	return float64(all[int(of*float64(len(all)-1))].Microseconds()) / 1000
}

// 300 readers, and 150 revocations a second for 10 s: how long after the acknowledgement another
// replica refuses, and what a delivery costs Redis.
func BenchmarkPropagation(b *testing.B) {
	const readers, perSecond, seconds = 300, 150, 10
	s := redistest.Start(b)
	lists := replicas(b, s, readers)
	for b.Loop() {
		var mu sync.Mutex
		var took []time.Duration
		var wg sync.WaitGroup
		cpu, start := s.CPU(), time.Now()
		tick := time.NewTicker(time.Second / perSecond)
		for range perSecond * seconds {
			<-tick.C
			wg.Go(func() {
				by, at := lists[mrand.IntN(readers)], lists[mrand.IntN(readers)]
				q := replica.Query{Subject: revlog.Tag{1}}
				rand.Read(q.Session[:])
				sid := base64.RawURLEncoding.EncodeToString(q.Session[:])
				now := at.Replica().Anonymous()
				q.Epoch, q.Checked, q.Term = now.Epoch, now.Checked, now.Term
				if _, err := by.Revoke(b.Context(), revocation.Session(sid), revocation.Options{}); err != nil {
					b.Error(err)
					return
				}
				acknowledged := time.Now()
				for at.Replica().Decide(&q).Outcome != replica.Refuse {
					if time.Since(acknowledged) > 10*time.Second {
						b.Errorf("not refused: %+v", at.Stats())
						return
					}
					<-time.After(2 * time.Millisecond)
				}
				mu.Lock()
				defer mu.Unlock()
				took = append(took, time.Since(acknowledged))
			})
		}
		wg.Wait()
		tick.Stop()
		elapsed, used := time.Since(start), s.CPU()-cpu
		b.ReportMetric(share(took, 0.50), "p50-ms")
		b.ReportMetric(share(took, 0.99), "p99-ms")
		b.ReportMetric(100*used.Seconds()/elapsed.Seconds(), "%-of-a-core")
		b.ReportMetric(float64(used.Microseconds())/float64(len(took)*readers), "µs-redis/delivery")
		b.ReportMetric(0, "ns/op")
	}
}

// How long canaries take at every replica, what a revocation that waits for all of them takes, and
// what the canaries cost Redis.
func BenchmarkEnforcement(b *testing.B) {
	for _, n := range []int{3, 300} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := redistest.Start(b)
			lists := replicas(b, s, n)
			for b.Loop() {
				time.Sleep(65 * time.Second)
				var all [1000]uint64
				var count, late uint64
				for _, l := range lists {
					h := l.Stats().Enforced
					for _, bucket := range h.Buckets {
						all[bucket.N+500] += bucket.Count
					}
					count += h.Count
					late += h.Count - h.AtMost(1)
				}
				quantile := func(q float64) float64 {
					seen := uint64(0)
					for i, n := range all {
						if seen += n; float64(seen) >= q*float64(count) {
							return 1000 * math.Exp2(float64(i-500)/8)
						}
					}
					return 0
				}
				var took []time.Duration
				for i := range 40 {
					r, err := lists[i%n].Revoke(b.Context(), revocation.Subject(strconv.Itoa(i)), revocation.Options{Wait: 10 * time.Second})
					if err != nil || r.Fleet != n {
						b.Fatalf("%d of %d: %v", r.Fleet, n, err)
					}
					took = append(took, r.Took)
				}
				b.ReportMetric(float64(count), "measured")
				b.ReportMetric(quantile(0.5), "p50-ms")
				b.ReportMetric(quantile(0.99), "p99-ms")
				b.ReportMetric(quantile(1), "max-ms")
				b.ReportMetric(float64(late), "over-2s")
				b.ReportMetric(share(took, 0.5), "wait-p50-ms")
				b.ReportMetric(share(took, 1), "wait-max-ms")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// How much memory a million revoked sessions take in Redis, and what writing them costs.
func BenchmarkMillionEntries(b *testing.B) {
	for b.Loop() {
		s := redistest.Start(b)
		st := open(b, &redis.UniversalOptions{Addrs: []string{s.Addr}, ReadTimeout: 5 * time.Second}, redisstore.Config{AllowVolatile: true})
		create(b, st, 3*time.Hour)
		const all = 1_000_000
		before, cpu := must(parse(s.Info("used_memory"))), s.CPU()
		for n := 0; n < all; n += 500 {
			var batch revlog.Append
			for i := range 500 {
				batch.Assertions = append(batch.Assertions, session(n+i))
			}
			write(b, st, batch)
		}
		used := s.CPU() - cpu
		total := must(parse(s.Info("used_memory"))) - before
		log := must(parse(s.Do("MEMORY", "USAGE", "{wafer}:log", "SAMPLES", "0")))
		b.ReportMetric(float64(total-log)/all, "B-exact/entry")
		b.ReportMetric(float64(log)/all, "B-log/entry")
		b.ReportMetric(float64(used.Microseconds())/all, "µs-redis/write")

		cpu = s.CPU()
		const questions = 20_000
		for n := range questions {
			if a, err := st.Confirm(b.Context(), revlog.Question{List: list, Session: tagOf(n * 40)}); err != nil || len(a.Found) == 0 {
				b.Fatal(a, err)
			}
		}
		b.ReportMetric(float64((s.CPU()-cpu).Microseconds())/questions, "µs-redis/confirm")
		b.ReportMetric(0, "ns/op")
	}
}

// 200 replicas boot at once on a log with as many entries as 50 revocations a second
// make in ten minutes.
func BenchmarkBoot(b *testing.B) {
	const booting, entries = 200, 30_000
	s := redistest.Start(b)
	first := replicas(b, s, 1)[0]
	revokeMany(b, first, entries)
	time.Sleep(6 * time.Second) // so that they are older than the last seconds, like almost all entries of ten minutes
	for b.Loop() {
		cpu, start := s.CPU(), time.Now()
		var mu sync.Mutex
		var took []time.Duration
		var lists []*revocation.List
		var wg sync.WaitGroup
		for range booting {
			wg.Go(func() {
				st, err := redisstore.Open(b.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}, PoolSize: 2}, redisstore.Config{AllowVolatile: true})
				if err != nil {
					b.Error(err)
					return
				}
				l, err := revocation.Open(b.Context(), st, revlogtest.Secrets(0), revocation.Config{Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				took, lists = append(took, time.Since(start)), append(lists, l)
				b.Cleanup(func() {
					l.Close()
					st.Close()
				})
			})
		}
		wg.Wait()
		if len(took) == 0 {
			b.Fatal("no replica booted")
		}
		for _, l := range lists {
			for l.Stats().Entries < entries {
				time.Sleep(10 * time.Millisecond)
			}
		}
		used, elapsed := s.CPU()-cpu, time.Since(start)
		b.ReportMetric(elapsed.Seconds(), "filled-s")
		b.ReportMetric(share(took, 0.50)/1000, "p50-s")
		b.ReportMetric(share(took, 1)/1000, "max-s")
		b.ReportMetric(used.Seconds(), "s-redis")
		b.ReportMetric(100*used.Seconds()/elapsed.Seconds(), "%-of-a-core")
		b.ReportMetric(0, "ns/op")
	}
}

// What one poll costs Redis: one that finds nothing, in a list without entries and after one, and
// one that finds the entries of a fifth of a second, written one by one or at once.
func BenchmarkPoll(b *testing.B) {
	for _, load := range []struct{ before, found, writes int }{{0, 0, 0}, {2, 0, 0}, {2, 30, 30}, {2, 30, 1}} {
		b.Run(fmt.Sprintf("%d of %d writes after %d", load.found, load.writes, load.before), func(b *testing.B) {
			s := redistest.Start(b)
			st := open(b, &redis.UniversalOptions{Addrs: []string{s.Addr}, ReadTimeout: 5 * time.Second}, redisstore.Config{AllowVolatile: true})
			from := afterLast(create(b, st, 3*time.Hour))
			for n := range load.before {
				from = write(b, st, revlog.Append{Assertions: []revlog.Assertion{session(-1 - n)}}).Results[0].Position
			}
			for n := range load.writes {
				var w revlog.Append
				for i := range load.found / load.writes {
					w.Assertions = append(w.Assertions, session(n+i*load.writes))
				}
				write(b, st, w)
			}
			spent := spentBy(s)
			for b.Loop() {
				p, err := st.Read(b.Context(), revlog.Cursor{List: list, From: from, Limit: 4096})
				if err != nil || len(p.Entries) != load.found+min(load.before, 1) {
					b.Fatal(len(p.Entries), err)
				}
			}
			used := spentBy(s)
			per := func(n int) float64 { return float64(n) / float64(b.N) }
			b.ReportMetric(per(int((used.cpu-spent.cpu).Nanoseconds()))/1000, "µs-redis/poll")
			b.ReportMetric(per(used.commands-spent.commands), "commands/poll")
			b.ReportMetric(per(used.received-spent.received), "B-to-redis/poll")
			b.ReportMetric(per(used.sent-spent.sent), "B-from-redis/poll")
		})
	}
}

// spent is what a server has done so far.
type spent struct {
	cpu                      time.Duration
	commands, received, sent int
}

func spentBy(s *redistest.Server) spent {
	count := func(name string) int { return must(parse(s.Info(name))) }
	return spent{s.CPU(), count("total_commands_processed"), count("total_net_input_bytes"), count("total_net_output_bytes")}
}

// What it costs Redis to read a log of 30,000 entries, written one by one or many at once.
func BenchmarkReadLog(b *testing.B) {
	const entries = 30_000
	for _, together := range []int{1, 500} {
		b.Run(strconv.Itoa(together)+" to a write", func(b *testing.B) {
			s := redistest.Start(b)
			st := open(b, &redis.UniversalOptions{Addrs: []string{s.Addr}, ReadTimeout: 5 * time.Second}, redisstore.Config{AllowVolatile: true})
			create(b, st, 3*time.Hour)
			for n := 0; n < entries; n += together {
				var w revlog.Append
				for i := range together {
					w.Assertions = append(w.Assertions, session(n+i))
				}
				write(b, st, w)
			}
			cpu := s.CPU()
			for b.Loop() {
				if n := len(readAll(b, st, revlog.Position{}, 4096)); n != entries {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64((s.CPU()-cpu).Nanoseconds())/1000/float64(b.N)/entries, "µs-redis/entry")
		})
	}
}
