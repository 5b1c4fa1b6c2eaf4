// Package pgtest starts a real PostgreSQL for a test, as a child process.
package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Start starts a server with an empty cluster that listens on a Unix socket alone, and returns the
// connection string of its database "postgres". The server ends with the test. PostgreSQL refuses to
// run as root, so then it runs as the user postgres or nobody.
//
// If PostgreSQL is not installed, the test fails if CI=true is set and is skipped otherwise.
func Start(t testing.TB) (dsn string) {
	t.Helper()
	bin := find(t)
	dir, err := os.MkdirTemp("", "pg") // t.TempDir lies in a folder that only its owner may enter
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	own(t, dir)
	output, err := command(t, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync").CombinedOutput()
	if err != nil {
		t.Fatalf("pgtest: initdb: %v\n%s", err, output)
	}
	var log bytes.Buffer
	server := command(t, filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=150")
	server.Stdout, server.Stderr = &log, &log
	server.WaitDelay = 10 * time.Second
	if err := server.Start(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	gone := make(chan struct{})
	go func() { server.Wait(); close(gone) }()
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGQUIT) // at once
		<-gone
	})
	dsn = fmt.Sprintf("host=%s user=postgres dbname=postgres sslmode=disable", dir)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if exec.Command(filepath.Join(bin, "pg_isready"), "-h", dir).Run() == nil {
			return dsn
		}
		select {
		case <-gone:
			t.Fatalf("pgtest: the server ended: %s", log.Bytes())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("pgtest: the server does not start")
		}
	}
}

// find returns the folder of the newest server.
func find(t testing.TB) string {
	t.Helper()
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // Debian
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir
		}
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path)
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("pgtest: PostgreSQL is not installed, and CI=true")
	}
	t.Skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
	return ""
}

func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

// command runs a program as somebody who is not root.
func command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = "/"
	if uid, gid, root := unprivileged(t); root {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	return c
}

func own(t testing.TB, dir string) {
	t.Helper()
	uid, gid, root := unprivileged(t)
	if !root {
		return
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
}

func unprivileged(t testing.TB) (uid, gid uint32, root bool) {
	t.Helper()
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return number(u.Uid), number(u.Gid), true
		}
	}
	t.Fatal("pgtest: PostgreSQL refuses to run as root, and there is no user postgres or nobody")
	return 0, 0, false
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}
