package rediskeys_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// commands returns how many commands a server has carried out, without INFO.
func commands(t *testing.T, s *redistest.Server) (sum int) {
	t.Helper()
	for _, m := range regexp.MustCompile(`cmdstat_([^:]+):calls=(\d+)`).FindAllStringSubmatch(s.Do("INFO", "commandstats"), -1) {
		if m[1] != "info" {
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}

// A flood of tokens with unknown kids asks for no KEK, sends Redis no more commands than time alone
// allows, writes a few lines to the log, and leaves nothing in memory.
func TestAFloodOfUnknownKids(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	const flood = 100_000
	s := redistest.Start(t)
	var asked atomic.Int64
	secret, err := base64.RawURLEncoding.DecodeString("Kj3mJ3bq2h7J6b2V0q3m4l5n6o7p8q9r0s1t2u3v4w5")
	if err != nil || len(secret) != 32 {
		t.Fatal(len(secret), err)
	}
	counting := keys.KEKFunc(func(context.Context) ([]byte, error) {
		asked.Add(1)
		return secret, nil
	})
	var out logs
	c := config()
	c.Poll, c.Logger = time.Second, out.logger()
	r := newReplica(t, s, revlog.NewMemory(), counting, c)
	cookies := r.get(t, nil)
	_, rest, _ := strings.Cut(cookies[0].Value, ".")
	h := r.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
	send := func(i int) {
		var kid [8]byte
		binary.BigEndian.PutUint64(kid[:], uint64(i)*0x9E3779B97F4A7C15)
		header := fmt.Sprintf(`{"alg":"dir","enc":"A256GCM","kid":"%s","typ":"session+jwt"}`, base64.RawURLEncoding.EncodeToString(kid[:]))
		req := httptest.NewRequest("GET", "https://app.test/", nil)
		req.AddCookie(&http.Cookie{Name: cookies[0].Name, Value: base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rest})
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	send(0)
	asks, lines, held, calls, begun := asked.Load(), out.Count(), heap(), commands(t, s), time.Now()
	for i := range flood {
		send(i)
	}
	took := time.Since(begun)
	if n := r.Stats().Refused["unknown_key"]; n != flood+1 {
		t.Fatalf("%d refused for an unknown key, want %d", n, flood+1)
	}
	if n := asked.Load() - asks; n != 0 {
		t.Errorf("the KEK was asked for %d times", n)
	}
	if n, most := commands(t, s)-calls, 20+4*int(took/time.Second+1); n > most {
		t.Errorf("%d commands in %v, want at most %d", n, took, most)
	}
	if n, most := out.Count()-lines, 3+2*int(took/time.Minute); n > most {
		t.Errorf("%d lines in the log, want at most %d", n, most)
	}
	if now := heap(); now > held+2<<20 {
		t.Errorf("the heap grew from %d to %d bytes", held, now)
	}
	if n := s.Do("HLEN", "{wafer}:seals"); n != "0" && n != "1" {
		t.Errorf("%s keys are counted", n)
	}
}
