package redislog_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	_ "github.com/wafer-sessions/wafer/internal/redislog"
)

// log belongs to the whole process, as the limit does: a test that runs again adds nothing.
var log bytes.Buffer

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	m.Run()
}

// A client that finds no server logs so to slog once, however often it tries.
func TestTheClientLogsToSlogAndSeldom(t *testing.T) {
	c := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	for range 100 {
		if err := c.Ping(t.Context()).Err(); err == nil {
			t.Fatal("there is a server at port 1")
		}
	}
	c.Close()
	lines := strings.Count(log.String(), "\n")
	if lines == 0 || lines > 5 || strings.Count(log.String(), `"level":"WARN","msg":"redis: `) != lines {
		t.Errorf("%d lines:\n%s", lines, log.String())
	}
}
