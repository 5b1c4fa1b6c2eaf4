package rediskeys_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

// A session is what a replica sealed, and with which key.
type session struct {
	kid   string
	bytes []byte
}

func seal(t *testing.T, r *rediskeys.Ring) session {
	t.Helper()
	k, ok := r.Ring().Sealing(time.Now())
	if !ok {
		t.Fatal("nothing seals")
	}
	return session{k.ID(), k.AEAD().Seal(nil, nil, []byte("session"), nil)}
}

// reads reports whether a replica opens a session.
func reads(r *rediskeys.Ring, s session) bool {
	k, ok := r.Ring().Key(s.kid)
	if !ok {
		return false
	}
	if state := r.Ring().State(k, time.Now()); state == keys.Revoked || state == keys.Expired {
		return false
	}
	_, err := k.AEAD().Open(nil, nil, s.bytes, nil)
	return err == nil
}

// A fleet of five shares a ring, and a sixth process starts while the ring is lost or replaced.
// Nobody is logged out: what any of the five sealed, before or meanwhile, opens on all. A key that
// was revoked stays revoked, also where Redis has a backup of before.
func TestFleetKeepsItsRing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(s *redistest.Server, backup string){
		"FLUSHALL":            func(s *redistest.Server, _ string) { s.Do("FLUSHALL") },
		"the ring is deleted": func(s *redistest.Server, _ string) { s.Do("DEL", "{wafer}:ring") },
		"a foreign ring": func(s *redistest.Server, _ string) { // as of a process that found none
			s.Do("SET", "{wafer}:ring", must(kek(1).Seal(context.Background(), keys.Generate(0))))
		},
		"a backup":                    func(s *redistest.Server, backup string) { s.Do("SET", "{wafer}:ring", backup) },
		"a backup after all was lost": func(s *redistest.Server, backup string) { s.Do("FLUSHALL"); s.Do("SET", "{wafer}:ring", backup) },
	} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t)
			id := aged(t, s, time.Hour).ID()
			var fleet []*rediskeys.Ring
			for range 5 {
				fleet = append(fleet, open(t, s, config()))
			}
			backup := s.Do("GET", "{wafer}:ring")
			leaked := seal(t, fleet[0])
			if err := fleet[0].Edit(t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Revoke(time.Now(), leaked.kid) }); err != nil {
				t.Fatal(err)
			}
			all(t, fleet, "the leaked key is revoked", func(r *rediskeys.Ring) bool { return !reads(r, leaked) && len(kids(r)) == 2 })
			var alive []session
			for _, r := range fleet {
				alive = append(alive, seal(t, r))
			}
			fault(s, backup)
			for _, r := range fleet {
				alive = append(alive, seal(t, r))
			}
			fleet = append(fleet, open(t, s, config()))
			all(t, fleet, "all sessions open, and the revoked key stays revoked", func(r *rediskeys.Ring) bool {
				for _, one := range alive {
					if !reads(r, one) {
						return false
					}
				}
				return r.Ring().ID() == id && !reads(r, leaked)
			})
			goesOn(t, s, fleet, leaked)
		})
	}
}

// goesOn fails unless the last of the fleet can rotate the ring for all, and Redis has it for a
// process that starts when no other runs.
func goesOn(t *testing.T, s *redistest.Server, fleet []*rediskeys.Ring, leaked session) {
	t.Helper()
	booted := fleet[len(fleet)-1]
	if err := booted.Edit(t.Context(), rotate); err != nil {
		t.Fatal(err)
	}
	all(t, fleet, "a rotation reaches all", func(r *rediskeys.Ring) bool { return len(kids(r)) == 3 && same(r, booted) })
	for _, r := range fleet {
		r.Close()
	}
	conf := config()
	conf.Create = false
	if r := open(t, s, conf); !same(r, booted) || reads(r, leaked) {
		t.Errorf("Redis has the keys %v, want %v", kids(r), kids(booted))
	}
}

// all waits until something holds for every replica.
func all(t *testing.T, fleet []*rediskeys.Ring, what string, ok func(*rediskeys.Ring) bool) {
	t.Helper()
	for i, r := range fleet {
		redistest.Await(t, fmt.Sprintf("replica %d: %s", i, what), func() bool { return ok(r) })
	}
}

// While Redis loses the ring again and again, processes that boot all come to the ring of the one
// that runs.
func TestManyBootWhileTheRingIsLost(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	id := aged(t, s, time.Hour).ID()
	running := open(t, s, config())
	kept := seal(t, running)
	booted := make(chan *rediskeys.Ring)
	for range 10 {
		go func() {
			r, err := rediskeys.Open(context.WithoutCancel(t.Context()), &redis.UniversalOptions{Addrs: []string{s.Addr}}, kek(1), config())
			if err != nil {
				t.Errorf("Open: %v", err)
			}
			booted <- r
		}()
	}
	for range 10 {
		s.Do("FLUSHALL")
		redistest.Await(t, "the ring is back", func() bool { return s.Do("EXISTS", "{wafer}:ring") == "1" })
	}
	for range 10 {
		r := <-booted
		if r == nil {
			continue
		}
		redistest.Await(t, "it has the ring of the fleet", func() bool { return r.Ring().ID() == id && reads(r, kept) })
		r.Close()
	}
}
