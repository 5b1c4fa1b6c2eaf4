package redisdevices_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/devices/devicestest"
	"github.com/wafer-sessions/wafer/httpmw/devices/redisdevices"
	"github.com/wafer-sessions/wafer/internal/redistest"
)

func open(t *testing.T, s *redistest.Server) (*redisdevices.Store, *redis.Client) {
	client := redis.NewClient(&redis.Options{Addr: s.Addr})
	t.Cleanup(func() { client.Close() })
	return redisdevices.New(client, redisdevices.Config{}), client
}

func TestRedis(t *testing.T) {
	server := redistest.Start(t)
	devicestest.Test(t, func(t *testing.T) devices.Store {
		server.Do("FLUSHALL")
		store, _ := open(t, server)
		return store
	})
}
