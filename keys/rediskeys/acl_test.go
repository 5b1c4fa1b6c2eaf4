package rediskeys_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

// The users of docs/redis.md may do all that a ring needs: create, read, edit, rotate by the server's
// clock, write back, and count.
func TestUsersOfTheRedisPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	users := regexp.MustCompile(`(?m)^ {4}ACL SETUSER (\w+) on >PASSWORD .*$`).FindAllStringSubmatch(string(page), -1)
	if len(users) != 2 {
		t.Fatalf("%d users on the page", len(users))
	}
	for _, m := range users {
		t.Run(m[1], func(t *testing.T) {
			s := redistest.Start(t)
			s.Do(strings.Fields(m[0])...)
			var l logs
			c := config()
			c.Logger, c.RotateEvery = l.logger(), keys.Daily
			r, err := rediskeys.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{s.Addr}, Username: m[1], Password: "PASSWORD"}, kek(1), c)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Meter().Count(r.Ring().Keys()[0].ID()).Seal(keys.Login, time.Now()); err != nil {
				t.Error(err)
			}
			if err := r.Edit(t.Context(), rotate); err != nil {
				t.Error(err)
			}
			s.Do("DEL", "{wafer}:ring")
			redistest.Await(t, "the ring is back", func() bool { return s.Do("EXISTS", "{wafer}:ring") == "1" })
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if s.Do("HLEN", "{wafer}:seals") != "1" || strings.Contains(l.String(), "NOPERM") {
				t.Errorf("the log says\n%s", l.String())
			}
		})
	}
}
