package redistest_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

func TestServer(t *testing.T) {
	s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	s.Do("SET", "a", "1")
	s.Kill()
	if _, err := s.Try("PING"); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart()
	if got := s.Do("GET", "a"); got != "1" {
		t.Errorf("GET = %q", got)
	}
	if _, err := s.Try("GET"); err == nil || !strings.Contains(err.Error(), "wrong number") {
		t.Errorf("an error reply is %v", err)
	}
	if s.Info("redis_version") == "" || s.CPU() <= 0 {
		t.Error("INFO is empty")
	}
}

func TestSentinelAndCluster(t *testing.T) {
	g := redistest.StartSentinel(t)
	if got := g.Primary(); got != g.Servers[0].Addr {
		t.Errorf("primary = %s", got)
	}
	for _, n := range redistest.StartCluster(t) {
		n.Do("CLUSTER", "INFO")
	}
}

func TestProxy(t *testing.T) {
	s := redistest.Start(t)
	p := redistest.NewProxy(t, s.Addr)
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(within time.Duration) error {
		c.Write([]byte("PING\r\n"))
		c.SetReadDeadline(time.Now().Add(within))
		_, err := c.Read(make([]byte, 64))
		return err
	}
	if err := ask(time.Minute); err != nil {
		t.Fatal(err)
	}
	p.Blackhole()
	if err := ask(100 * time.Millisecond); err == nil {
		t.Error("bytes came through a black hole")
	}
	p.Restore()
	if err := ask(time.Minute); err != nil {
		t.Error(err)
	}
	const delay = 50 * time.Millisecond
	p.Delay(delay)
	began := time.Now()
	if err := ask(time.Minute); err != nil || time.Since(began) < 2*delay {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	other := redistest.Start(t)
	s.Do("SET", "here", "s")
	other.Do("SET", "here", "other")
	p.Route(other.Addr)
	if err := ask(time.Minute); err == nil {
		t.Error("the connection to the first server is still there")
	}
	if c, err = net.Dial("tcp", p.Addr); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("GET here\r\n"))
	answer := make([]byte, 64)
	n, _ := c.Read(answer)
	if got := string(answer[:n]); !strings.Contains(got, "other") {
		t.Errorf("the proxy leads to %q", got)
	}
}
