package main

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"
)

// The demo says where its folder is, and does not repeat its token there.
func TestDemoSaysWhereItIs(t *testing.T) {
	t.Setenv("WAFER_ADMIN_TOKEN", "a token of the admin API, long enough")
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	in, out := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		root := newRoot()
		root.SetOut(out)
		root.SetErr(io.Discard)
		ended <- run(ctx, root, []string{"demo", "--addr", "127.0.0.1:0", "--dir", dir})
		out.Close()
	}()
	said := map[string]string{}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		name, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), "  ")
		said[name] = strings.TrimSpace(value)
		if strings.Contains(lines.Text(), "Stop with Ctrl-C") {
			stop()
		}
	}
	if code := <-ended; code != 0 || said["folder"] != dir || said["admin token"] != "the one in WAFER_ADMIN_TOKEN" || !strings.Contains(said["console"], "/admin/ (sign in with the admin token") {
		t.Errorf("exit status %d: %q", code, said)
	}
}
