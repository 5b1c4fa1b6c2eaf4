package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Sentinel is a primary, one replica and one sentinel that watches them under
// the name "wafer".
type Sentinel struct {
	Addr     string // of the sentinel
	Servers  [2]*Server
	sentinel *Server
}

// StartSentinel starts such a group. args go to both servers.
func StartSentinel(t testing.TB, args ...string) *Sentinel {
	t.Helper()
	primary := Start(t, args...)
	replica := Start(t, append([]string{"--replicaof", "127.0.0.1 " + primary.Port}, args...)...)
	Await(t, "the replica follows", func() bool { return replica.Info("master_link_status") == "up" })
	Await(t, "the primary counts it", func() bool { return strings.Contains(primary.Info("slave0"), "state=online") })

	port := freePort(t)
	dir := t.TempDir()
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile redis.log\nprotected-mode no\n"+
		"sentinel monitor wafer 127.0.0.1 %s 1\nsentinel down-after-milliseconds wafer 400\nsentinel failover-timeout wafer 3000\n",
		port, dir, primary.Port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, Dir: dir, Port: port, Addr: "127.0.0.1:" + port, args: []string{conf, "--sentinel"}}
	if err := s.run(); err != nil {
		t.Fatalf("redistest: sentinel: %v", err)
	}
	t.Cleanup(s.Kill)
	Await(t, "the sentinel knows the replica", func() bool {
		r, err := s.Try("SENTINEL", "REPLICAS", "wafer")
		return err == nil && strings.Contains(r, replica.Port)
	})
	return &Sentinel{Addr: s.Addr, Servers: [2]*Server{primary, replica}, sentinel: s}
}

// Primary returns the address the sentinel gives for the primary now.
func (s *Sentinel) Primary() string {
	return strings.Replace(s.sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "wafer"), "\n", ":", 1)
}

// StartCluster starts a cluster of three primaries without replicas.
func StartCluster(t testing.TB, args ...string) []*Server {
	t.Helper()
	var nodes []*Server
	for range 3 {
		nodes = append(nodes, Start(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", freePort(t), "--cluster-node-timeout", "2000",
		}, args...)...))
	}
	for i, n := range nodes {
		n.Do("CLUSTER", "ADDSLOTSRANGE", fmt.Sprint([]int{0, 5461, 10922}[i]), fmt.Sprint([]int{5460, 10921, 16383}[i]))
		for _, other := range nodes[:i] {
			n.Do("CLUSTER", "MEET", "127.0.0.1", other.Port, busPort(other))
			other.Do("CLUSTER", "MEET", "127.0.0.1", n.Port, busPort(n))
		}
	}
	Await(t, "the cluster is whole", func() bool {
		for _, n := range nodes {
			info := n.Do("CLUSTER", "INFO")
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3") {
				return false
			}
		}
		return true
	})
	return nodes
}

func busPort(s *Server) string {
	for i, a := range s.args {
		if a == "--cluster-port" {
			return s.args[i+1]
		}
	}
	return ""
}
