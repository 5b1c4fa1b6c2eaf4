// Package redistest starts real Redis servers for tests, as child processes on ports that the
// kernel chooses, and stops them again. It implements just enough of the Redis protocol to set
// servers up and inspect them, so that tests do not check the product with the client that it uses.
package redistest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const startFor = 20 * time.Second

// A Server is one redis-server process and its data directory.
type Server struct {
	Addr string // 127.0.0.1:port
	Port string
	Dir  string

	t    testing.TB
	args []string

	mu   sync.Mutex // owns cmd and gone
	cmd  *exec.Cmd
	gone chan struct{}
}

// Start starts a server without persistence, with args added to its command line, and stops it when
// the test ends. If redis-server is not installed, the test fails if CI=true is set and is skipped
// otherwise.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	binary(t)
	s := &Server{t: t, Dir: t.TempDir()}
	for try := 0; ; try++ {
		s.Port = freePort(t)
		s.Addr = net.JoinHostPort("127.0.0.1", s.Port)
		s.args = append([]string{"--port", s.Port, "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--appendonly", "no",
			"--daemonize", "no", "--logfile", "redis.log", "--repl-diskless-sync-delay", "0", "--protected-mode", "no"}, args...)
		err := s.run()
		if err == nil {
			break
		}
		if try == 4 {
			t.Fatalf("redistest: %v", err)
		}
	}
	t.Cleanup(s.Kill)
	return s
}

func binary(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed, and CI=true")
		}
		t.Skip("redis-server is not installed")
	}
}

// freePort returns a port that was free a moment ago.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// started returns how often the server, or the sentinel, has logged that it has its port.
func (s *Server) started() int {
	return strings.Count(s.Log(), "Ready to accept connections") + strings.Count(s.Log(), "Sentinel ID is")
}

func (s *Server) run() error {
	before := s.started()
	cmd := exec.Command("redis-server", s.args...)
	cmd.Dir = s.Dir
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() { cmd.Wait(); close(gone) }()
	s.mu.Lock()
	s.cmd, s.gone = cmd, gone
	s.mu.Unlock()
	for deadline := time.Now().Add(startFor); ; {
		// The server of another test may have taken the port, and would answer PING.
		if s.started() > before {
			if reply, err := s.Try("PING"); err == nil && (reply == "PONG" || strings.HasPrefix(reply, "NOAUTH")) {
				return nil
			}
		}
		select {
		case <-gone:
			return fmt.Errorf("redis-server ended: %s", s.Log())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("redis-server did not become ready: %s", s.Log())
		}
	}
}

// Log returns the server's log.
func (s *Server) Log() string {
	b, _ := os.ReadFile(filepath.Join(s.Dir, "redis.log"))
	return string(b)
}

// Kill ends the server with SIGKILL, as in a crash, and waits for its end.
func (s *Server) Kill() {
	s.mu.Lock()
	cmd, gone := s.cmd, s.gone
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	cmd.Process.Kill()
	<-gone
}

// Restart starts a killed server again, with the same port and data directory.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.run(); err != nil {
		s.t.Fatalf("redistest: restart: %v", err)
	}
}

// Pause stops the process (SIGSTOP) until Resume.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume continues a paused process.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("redistest: %v", err)
	}
}

// CPU returns how much processor time the server has used.
func (s *Server) CPU() time.Duration {
	var sum float64
	for line := range strings.Lines(s.Do("INFO", "cpu")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			f, _ := strconv.ParseFloat(value, 64)
			sum += f
		}
	}
	return time.Duration(sum * float64(time.Second))
}

// Info returns one value of INFO, or "" if there is none.
func (s *Server) Info(name string) string {
	s.t.Helper()
	for line := range strings.Lines(s.Do("INFO", "everything")) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}

// Do sends one command and returns the reply as text, with each element of an array on its own
// line. An error reply fails the test.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	reply, err := s.Try(args...)
	if err != nil {
		s.t.Fatalf("redistest: %s: %v", args[0], err)
	}
	return reply
}

// ErrReply means that the server answered with an error.
var ErrReply = errors.New("redis")

// Try is Do for commands that may fail.
func (s *Server) Try(args ...string) (string, error) { return try(s.Addr, args...) }

// Await fails the test unless ok becomes true within a time that is long enough on a loaded
// machine.
func Await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(startFor); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
