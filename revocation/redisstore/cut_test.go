package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// R22: a conditional write whose answer is lost is not sent again. It would meet
// itself, and tell somebody whose session has just got a successor that it was
// revoked. Any other write may be sent again, and changes nothing then (R6).
func TestR22AConditionalWriteIsSentOnce(t *testing.T) {
	for name, ack := range map[string]revlog.Ack{
		"stored":     {},
		"replicated": {Replicas: 1, Timeout: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t)
			p := redistest.NewProxy(t, s.Addr)
			st := open(t, &redis.UniversalOptions{Addrs: []string{p.Addr}}, redisstore.Config{AllowVolatile: true})
			head := create(t, st, time.Hour)
			question := func(n int) *revlog.Question {
				return &revlog.Question{List: list, Session: tagOf(n), Epoch: head.MS, Checked: head.MS, Skew: 2 * time.Second}
			}
			entries := func() string { return s.Do("HGET", "{wafer}:head", "n") }

			b := revlog.Batch{Assertions: []revlog.Assertion{session(1)}, Unless: question(1), Ack: ack}
			if w := write(t, st, b); !w.Done { // also where the server does not know the script
				t.Fatalf("Write = %+v", w)
			}
			b = revlog.Batch{List: list, Assertions: []revlog.Assertion{session(2)}, Unless: question(2), Ack: ack}
			p.CutAnswer()
			if w, err := st.Write(t.Context(), b); err == nil {
				t.Errorf("Write = %+v, although its answer was lost", w)
			}
			if n := entries(); n != "2" {
				t.Errorf("%s entries: this shows nothing", n)
			}
			if w := write(t, st, b); w.Done { // for whoever asks again it is revoked
				t.Errorf("Write again = %+v", w)
			}
			if name == "replicated" {
				return // a write is waited for on its own connection, and never sent again
			}
			p.CutAnswer()
			if w := write(t, st, revlog.Batch{Assertions: []revlog.Assertion{session(3)}}); !w.Done || w.Results[0].Changed {
				t.Errorf("without a condition: %+v", w)
			}
		})
	}
}
