package rediskeys_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

// aged puts a ring into Redis that was made so long ago.
func aged(t *testing.T, s *redistest.Server, d time.Duration) *keys.Ring {
	t.Helper()
	var set map[string]any
	if err := json.Unmarshal(keys.Generate(0).PlaintextJWKSet(), &set); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-d).Unix()
	key := set["keys"].([]any)[0].(map[string]any)
	set["iat"], key["iat"], key["nbf"] = at, at, at
	doc, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	r, err := keys.Parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	s.Do("SET", "{wafer}:ring", must(kek(1).Seal(t.Context(), r)))
	return r
}

// Of 20 processes that find the newest key too old, one makes a new key.
func TestOneOfManyRotates(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	t.Parallel()
	s := redistest.Start(t)
	for range 3 {
		s.Do("FLUSHALL")
		aged(t, s, 25*time.Hour)
		var l logs
		conf := config()
		conf.RotateEvery, conf.Logger = keys.Daily, l.logger()
		var fleet [20]*rediskeys.Ring
		for i := range fleet {
			fleet[i] = open(t, s, conf)
		}
		redistest.Await(t, "all have the new key", func() bool {
			for _, r := range fleet {
				if len(kids(r)) < 2 {
					return false
				}
			}
			return true
		})
		// Every process looks several times more.
		s.Do("CONFIG", "RESETSTAT")
		redistest.Await(t, "many looks", func() bool {
			_, after, _ := strings.Cut(s.Do("INFO", "commandstats"), "cmdstat_getrange:calls=")
			n, _, _ := strings.Cut(after, ",")
			return len(n) >= 4
		})
		for _, r := range fleet {
			if len(kids(r)) != 2 || !same(r, fleet[0]) {
				t.Fatalf("keys %v and %v, want one new key", kids(r), kids(fleet[0]))
			}
			wait := r.Ring().Keys()[0]
			if d := wait.NotBefore().Sub(wait.IssuedAt()); d != 10*time.Minute {
				t.Errorf("the new key waits for %v", d)
			}
			r.Close()
		}
		if l.Count("rotated the ring", "level=INFO") != 1 || l.Count("level=WARN") != 0 {
			t.Errorf("the log says\n%s", l.String())
		}
	}
}

func TestRotateEveryIsBounded(t *testing.T) {
	conf := config()
	conf.RotateEvery = time.Minute
	_, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}}, kek(1), conf)
	if err == nil || !strings.Contains(err.Error(), "RotateEvery must be at least 1h0m0s") {
		t.Errorf("Open = %v", err)
	}
}

// The clock of the server counts. A process that may not ask for it says so once, and goes on
// trying.
func TestRotatingNeedsTheServersClock(t *testing.T) {
	s := redistest.Start(t)
	aged(t, s, 25*time.Hour)
	s.Do("ACL", "SETUSER", "default", "-time")
	var l logs
	conf := config()
	conf.RotateEvery, conf.Logger = keys.Daily, l.logger()
	r := open(t, s, conf)
	redistest.Await(t, "a warning", func() bool { return l.Count("level=WARN", "allow it: ACL SETUSER", "+time") == 1 })
	s.Do("ACL", "SETUSER", "default", "+time")
	redistest.Await(t, "a rotation", func() bool { return len(kids(r)) == 2 })
}
