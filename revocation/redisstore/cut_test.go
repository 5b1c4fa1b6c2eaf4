package redisstore_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// R29: if the answer to a write is lost, the write is sent again, and the store recognizes it. So a
// session that has just got a successor does not appear as revoked, and "now" keeps its first
// value.
func TestR29AWriteWhoseAnswerIsLost(t *testing.T) {
	for name, ack := range map[string]revlog.Ack{
		"stored":     {},
		"replicated": {Replicas: 1, Timeout: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t)
			p := redistest.NewProxy(t, s.Addr)
			st := open(t, &redis.UniversalOptions{Addrs: []string{p.Addr}}, redisstore.Config{AllowVolatile: true})
			head := create(t, st, time.Hour)
			entries := func() string { return s.Do("HGET", "{wafer}:head", "n") }
			succession := func(n int) revlog.Succession {
				q := revlog.Question{List: list, Session: tagOf(n), Epoch: head.MS, Checked: head.MS, Skew: 2 * time.Second}
				return revlog.Succession{
					List: list, Skew: 2 * time.Second, Request: revlog.Request{1, byte(n)}, Assertions: []revlog.Assertion{session(n)}, Unless: q, Then: q, Ack: ack,
				}
			}
			if w := written(t, st, succession(1)); w.Refused != nil { // even if the server does not know the script
				t.Fatalf("Write = %+v", w)
			}
			p.CutAnswer()
			if w := written(t, st, succession(2)); w.Refused != nil || len(w.Then.Found) == 0 || !w.Results[0].Changed {
				t.Errorf("a succession: %+v", w)
			}
			if n := entries(); n != "2" {
				t.Errorf("%s entries", n)
			}
			again := succession(2)
			again.Request = revlog.Request{9}
			if w := written(t, st, again); w.Refused == nil { // a new question finds the session revoked
				t.Errorf("another write about the same session = %+v", w)
			}

			everybody := revlog.Append{
				List: list, Skew: 2 * time.Second, Request: revlog.Request{2}, Ack: ack,
				Assertions: []revlog.Assertion{{Scope: revlog.ScopeSubject, Tag: tagOf(3), When: revlog.AtNow, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Limit: revlog.Forever}},
			}
			p.CutAnswer()
			if w := written(t, st, everybody); !w.Results[0].Changed || w.Results[0].Position.N != 3 || entries() != "3" {
				t.Errorf("append: %+v, and %s entries", w, entries())
			}
			if ttl, err := strconv.Atoi(s.Do("PTTL", "{wafer}:q:"+string(everybody.Request[:]))); err != nil || ttl <= 0 || ttl > 60_000 {
				t.Errorf("its answer is kept for %d ms (%v)", ttl, err)
			}
		})
	}
}

// R29: if the connection breaks while a user switches groups, the user gets the new session, and no
// error that the old one is revoked.
func TestR29SwitchWhoseAnswerIsLost(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr)
	l := openList(t, &redis.UniversalOptions{Addrs: []string{p.Addr}})
	subject := l.Tag(revocation.Subject("bob"))
	login := replica.Login{Subject: subject}
	begun, err := l.Replica().Begin(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	for n := range byte(10) { // sometimes a read takes the broken connection
		q := replica.Query{Session: [16]byte{n}, Subject: subject, Epoch: begun.Epoch, Checked: begun.Checked, Term: begun.Term}
		redistest.Await(t, "the store answers", func() bool { // S after the first term began
			p.CutAnswer()
			_, err = l.Replica().Succeed(t.Context(), &q, replica.Succession{Kind: replica.SetGroups, Login: login})
			return !errors.Is(err, revocation.ErrUnavailable)
		})
		if err != nil {
			t.Error(err)
		}
	}
}
