package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/cmd/wafer/internal/demo"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
)

// The commands of docs/keys.md work, one after the other, in an empty folder and on an empty Redis. As
// soon as the page has made a ring in Redis, a demo runs on it.
func TestTheCommandsOfTheKeysPageWork(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for replicas and servers")
	}
	page, err := os.ReadFile("../../docs/keys.md")
	if err != nil {
		t.Fatal(err)
	}
	server := redistest.Start(t, "--appendonly", "yes")
	t.Chdir(t.TempDir())
	const token = "a token of the admin API, long enough"
	t.Setenv("WAFER_ADMIN_TOKEN", token)
	address := strings.NewReplacer("redis://localhost:6379", "redis://"+server.Addr)
	commands := regexp.MustCompile(`(?m)^ {4,}wafer (keys [^#\n]+)`).FindAllStringSubmatch(string(page), -1)
	for _, m := range commands {
		line := m[1]
		if before, after, found := strings.Cut(line, "KID"); found {
			line = before + sealingKey(t, address.Replace(after)) + after
		}
		if out, code := wafer(t, address.Replace(line)+" --yes"); code != 0 {
			t.Fatalf("wafer %s: exit status %d: %s", line, code, out)
		}
		if strings.HasPrefix(line, "keys new --redis") {
			d := runDemoOn(t, "redis://"+server.Addr, keys.KEKFile("kek"), token)
			address = strings.NewReplacer("redis://localhost:6379", "redis://"+server.Addr, "http://127.0.0.1:8080", d.URL())
		}
	}
	if len(commands) < 15 {
		t.Errorf("the page has %d commands", len(commands))
	}
}

// wafer runs a command in this process.
func wafer(t *testing.T, line string) (out string, code int) {
	t.Helper()
	var args []string
	for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		args = append(args, m[1]+m[2])
	}
	var both bytes.Buffer
	root := newRoot()
	root.SetOut(&both)
	root.SetErr(&both)
	code = run(t.Context(), root, args)
	return both.String(), code
}

// sealingKey returns the key that seals in the place that these flags name.
func sealingKey(t *testing.T, flags string) string {
	t.Helper()
	flags, _, _ = strings.Cut(flags, "--reason")
	out, code := wafer(t, "keys list --json "+flags)
	var ring adminapi.Ring
	if err := json.Unmarshal([]byte(out), &ring); err != nil || code != 0 {
		t.Fatalf("wafer keys list %s: exit status %d: %s", flags, code, out)
	}
	return sealing(ring)
}

func runDemoOn(t *testing.T, redis string, kek keys.KEK, token string) *demo.Demo {
	t.Helper()
	d, err := demo.Open(t.Context(), demo.Config{Addr: "127.0.0.1:0", Redis: redis, KEK: kek, AdminToken: token, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		<-served
		d.Close()
	})
	return d
}
