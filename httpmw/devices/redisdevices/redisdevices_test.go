package redisdevices_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/devices/devicestest"
	"github.com/wafer-sessions/wafer/httpmw/devices/redisdevices"
	"github.com/wafer-sessions/wafer/internal/redistest"
)

func open(t *testing.T, prefix string, addrs ...string) *redisdevices.Store {
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: addrs})
	t.Cleanup(func() { client.Close() })
	return redisdevices.New(client, redisdevices.Config{Prefix: prefix})
}

func TestRedis(t *testing.T) {
	server := redistest.Start(t)
	devicestest.Test(t, func(t *testing.T) devices.Store {
		server.Do("FLUSHALL")
		return open(t, "", server.Addr)
	})
}

func TestCluster(t *testing.T) {
	var addrs []string
	for _, node := range redistest.StartCluster(t) {
		addrs = append(addrs, node.Addr)
	}
	devicestest.Test(t, func(t *testing.T) devices.Store { return open(t, t.Name(), addrs...) })
}

const (
	owner = "0123456789abcdef0123456789abcdef"
	key   = "wafer:devices:" + owner
)

func row(id string) devices.Device {
	now := time.Now().Truncate(time.Millisecond)
	return devices.Device{ID: id, LoginTime: now, Began: now, Seen: now, Until: now.Add(time.Hour)}
}

// Everything of an owner goes by itself when the last session is over.
func TestRowsExpire(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, "", server.Addr)
	short, long := row("short"), row("long")
	short.Until = short.Seen.Add(time.Minute)
	for _, d := range []devices.Device{long, short} {
		if _, err := s.Put(t.Context(), owner, d, "", 0); err != nil {
			t.Fatal(err)
		}
		ttl := server.Do("PTTL", key)
		if ms, err := time.ParseDuration(ttl + "ms"); err != nil || ms > time.Hour || ms < time.Hour-time.Minute {
			t.Errorf("the key expires in %s ms", ttl)
		}
	}
	if keys := server.Do("KEYS", "*"); keys != key {
		t.Errorf("keys %q", keys)
	}
}

// Rows that nobody can read keep nobody from logging in. They count as the oldest, because their
// sessions may be alive.
func TestDamagedRows(t *testing.T) {
	server := redistest.Start(t)
	s := open(t, "", server.Addr)
	good := row("good")
	if _, err := s.Put(t.Context(), owner, good, "", 0); err != nil {
		t.Fatal(err)
	}
	damaged := map[string]string{
		"a": "", "b": "{", "c": "[]", "d": "null", "e": "7", "f": `{"name":1,"agent":"","login":1,"began":1,"seen":1,"expires":99999999999999}`,
		"g": `{"name":"","agent":"","login":1,"began":"x","seen":1,"expires":99999999999999}`, "h": strings.Repeat("[", 5000),
	}
	for id, value := range damaged {
		server.Do("HSET", key, id, value)
	}
	d := row("next")
	excess, err := s.Put(t.Context(), owner, d, "b", 2)
	slices.Sort(excess)
	if err != nil || strings.Join(excess, "") != "acdefgh" { // d takes the place of b
		t.Fatalf("too many are %v, %v", excess, err)
	}
	if all, err := s.List(t.Context(), owner); err != nil || len(all) != 2 {
		t.Errorf("listed are %v, %v", all, err)
	}
	if err := s.Delete(t.Context(), owner, excess...); err != nil {
		t.Fatal(err)
	}
	server.Do("HSET", key, "good", "{")
	if excess, err := s.Put(t.Context(), owner, good, "", 2); err != nil || len(excess) > 0 {
		t.Errorf("a row that is written again: too many are %v, %v", excess, err)
	}
	if all, err := s.List(t.Context(), owner); err != nil || len(all) != 2 {
		t.Errorf("listed are %v, %v", all, err)
	}
	server.Do("SET", "wafer:devices:other", "7") // a key of something else
	if _, err := s.Put(t.Context(), "other", d, "", 0); err == nil {
		t.Error("a key of another type is overwritten")
	}
	if _, err := s.List(t.Context(), "other"); err == nil {
		t.Error("a key of another type is read")
	}
}

// The rights that the package's comment names are enough.
func TestRights(t *testing.T) {
	server := redistest.Start(t)
	server.Do("ACL", "SETUSER", "devices", "on", ">secret", "~wafer:devices:*", "+evalsha", "+eval", "+hgetall", "+hdel", "+hset", "+pexpireat")
	client := redis.NewClient(&redis.Options{Addr: server.Addr, Username: "devices", Password: "secret"})
	t.Cleanup(func() { client.Close() })
	devicestest.Test(t, func(t *testing.T) devices.Store {
		server.Do("FLUSHALL")
		return redisdevices.New(client, redisdevices.Config{})
	})
}
