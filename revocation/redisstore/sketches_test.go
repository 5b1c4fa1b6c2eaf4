package redisstore_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func TestSketches(t *testing.T) {
	s := redistest.Start(t)
	st := open(t, &redis.UniversalOptions{Addrs: []string{s.Addr}}, redisstore.Config{AllowVolatile: true})
	ctx := t.Context()
	if err := st.KeepSketch(ctx, "a", []byte("one"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := st.KeepSketch(ctx, "a", []byte("\x00two"), time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := st.KeepSketch(ctx, "b", []byte("three"), 30*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	s.Do("HSET", "{wafer}:seen:hash", "a", "b")
	s.Do("SET", "{wafer}:seen:longest", strings.Repeat("x", revlog.MaxSketch))
	s.Do("SET", "{wafer}:seen:long", strings.Repeat("x", 10<<20))
	redistest.Await(t, "b expires", func() bool { return s.Do("EXISTS", "{wafer}:seen:b") == "0" })

	names := []string{"a", "b", "none", "hash", "longest", "long"}
	got, err := st.Sketches(ctx, names)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]byte{[]byte("\x00two"), nil, nil, []byte("!"), []byte(strings.Repeat("x", revlog.MaxSketch)), []byte("!")}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	// What is malformed is read once.
	if got, err = st.Sketches(ctx, names); err != nil || got[3] != nil || got[5] != nil {
		t.Errorf("read again: %q, %q, %v", got[3], got[5], err)
	}
	if ttl := s.Do("PTTL", "{wafer}:seen:a"); ttl == "-1" {
		t.Error("a sketch never expires")
	}
}

// The user of docs/redis.md may keep sketches.
func TestSketchesNeedNoMorePermissions(t *testing.T) {
	s := redistest.Start(t)
	s.Do(minimalUser...)
	st := open(t, &redis.UniversalOptions{Addrs: []string{s.Addr}, Username: "wafer", Password: "secret"}, redisstore.Config{AllowVolatile: true})
	if err := st.KeepSketch(t.Context(), "a", []byte("one"), time.Minute); err != nil {
		t.Error(err)
	}
	s.Do("HSET", "{wafer}:seen:hash", "a", "b")
	if got, err := st.Sketches(t.Context(), []string{"a", "hash"}); err != nil || string(got[0]) != "one" {
		t.Errorf("%q, %v", got, err)
	}
}

// What the count of who is signed in asks of Redis, at its most: 15 pairs of sketches that are full.
// Once a minute a replica reads four of them and writes one or two; when it starts, it reads all.
func BenchmarkSketches(b *testing.B) {
	s := redistest.Start(b)
	st := open(b, &redis.UniversalOptions{Addrs: []string{s.Addr}, ReadTimeout: 5 * time.Second}, redisstore.Config{AllowVolatile: true})
	full := bytes.Repeat([]byte{0x5a}, 1+2*(2+12288))
	before := must(parse(s.Info("used_memory")))
	var names []string
	for i := range 15 {
		names = append(names, fmt.Sprintf("300:%d", 5_000_000+i))
		if err := st.KeepSketch(b.Context(), names[i], full, time.Hour); err != nil {
			b.Fatal(err)
		}
	}
	used := must(parse(s.Info("used_memory"))) - before
	const times = 300
	measure := func(unit string, turn func() error) {
		cpu := s.CPU()
		for range times {
			if err := turn(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((s.CPU()-cpu).Microseconds())/times, unit)
	}
	for b.Loop() {
		measure("µs-redis/start", func() error { _, err := st.Sketches(b.Context(), names); return err })
		measure("µs-redis/turn", func() error {
			if _, err := st.Sketches(b.Context(), names[:4]); err != nil {
				return err
			}
			for _, name := range names[:2] {
				if err := st.KeepSketch(b.Context(), name, full, time.Hour); err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.ReportMetric(float64(used), "B-redis")
}
