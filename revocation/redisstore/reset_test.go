package redisstore_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// After Reset, replicas create a new list and write back what they know. Revoked sessions stay
// revoked.
func TestReset(t *testing.T) {
	s := redistest.Start(t)
	o := &redis.UniversalOptions{Addrs: []string{s.Addr}}
	st := open(t, o, redisstore.Config{AllowVolatile: true})
	list := openList(t, o)
	sid := "AAECAwQFBgcICQoLDA0ODw"
	if _, err := list.Revoke(t.Context(), revocation.Session(sid), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	p, err := st.Read(t.Context(), revlog.Cursor{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []revlog.ListID{{1}, {}} { // another id, and the zero id for an unreadable list
		if done, err := st.Reset(t.Context(), wrong); done || err != nil {
			t.Errorf("Reset of another list = %v, %v", done, err)
		}
	}
	for _, damage := range [][]string{nil, {"HDEL", "{wafer}:head", "kn"}, {"SET", "{wafer}:head", "x"}, {"SET", "{wafer}:log", "x"}, {"SET", "{wafer}:globals", "x"}} {
		before := s.Do("HGET", "{wafer}:head", "g")
		if damage != nil {
			s.Do(damage...)
		}
		p, readErr := st.Read(t.Context(), revlog.Cursor{Limit: 1})
		done, err := st.Reset(t.Context(), p.Head.ID)
		if err != nil || !done && readErr != nil {
			now, _ := s.Try("HGET", "{wafer}:head", "g")
			if err != nil || now == before { // the replica may have created it already
				t.Errorf("%v: Reset = %v, %v", damage, done, err)
			}
		}
		redistest.Await(t, "a new list is created", func() bool {
			now, err := s.Try("HGET", "{wafer}:head", "g")
			return err == nil && now != "" && now != before && list.Stats().State == "synced"
		})
		late := openList(t, o)
		redistest.Await(t, "a replica that starts refuses the revoked session", func() bool {
			_, revoked, err := late.Revoked(t.Context(), revocation.Session(sid))
			return revoked && err == nil
		})
	}
	if p.Head.ID == (revlog.ListID{}) {
		t.Error("Reset of a list without an id")
	}
}
