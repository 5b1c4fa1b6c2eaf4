package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A Sentinel is a primary, one replica and one sentinel that watches them under the name "wafer".
type Sentinel struct {
	Addr     string // of the sentinel
	Servers  [2]*Server
	sentinel *Server
}

// StartSentinel starts a Sentinel. args are passed to both servers.
func StartSentinel(t testing.TB, args ...string) *Sentinel {
	t.Helper()
	primary := Start(t, args...)
	return watched(t, primary, primary.Port, args)
}

// StartSentinelApart starts a Sentinel in which the sentinel and the replica reach the first
// primary through the proxy, and give the proxy's address to clients. While the proxy holds traffic
// back, they consider the primary dead, but it still serves clients that reach it directly.
func StartSentinelApart(t testing.TB, args ...string) (*Sentinel, *Proxy) {
	t.Helper()
	primary := Start(t, args...)
	p := NewProxy(t, primary.Addr)
	_, port, _ := net.SplitHostPort(p.Addr)
	return watched(t, primary, port, args), p
}

// watched starts a replica and a sentinel for a primary that they reach at port at.
func watched(t testing.TB, primary *Server, at string, args []string) *Sentinel {
	t.Helper()
	skipIfShort(t)
	replica := Start(t, append([]string{"--replicaof", "127.0.0.1 " + at}, args...)...)
	followed(t, primary, replica)

	port := freePort(t)
	dir := t.TempDir()
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile redis.log\nprotected-mode no\n"+
		"sentinel monitor wafer 127.0.0.1 %s 1\nsentinel down-after-milliseconds wafer 400\nsentinel failover-timeout wafer 3000\n",
		port, dir, at)
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

// Primary returns the address that the sentinel now gives for the primary.
func (s *Sentinel) Primary() string {
	return strings.Replace(s.sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "wafer"), "\n", ":", 1)
}

// StartCluster starts a cluster of three primaries without replicas.
func StartCluster(t testing.TB, args ...string) []*Server {
	t.Helper()
	return startCluster(t, 3, append([]string{"--cluster-node-timeout", "2000"}, args...))
}

// StartReplicatedCluster starts a cluster of three primaries, each with one replica that takes over
// soon after the primary ends.
func StartReplicatedCluster(t testing.TB, args ...string) (primaries, replicas []*Server) {
	t.Helper()
	nodes := startCluster(t, 6, append([]string{"--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0"}, args...))
	primaries, replicas = nodes[:3], nodes[3:]
	for i, r := range replicas {
		r.Do("CLUSTER", "REPLICATE", primaries[i].Do("CLUSTER", "MYID"))
	}
	for i, r := range replicas {
		followed(t, primaries[i], r)
	}
	return primaries, replicas
}

func skipIfShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("a group of servers takes its time")
	}
}

// followed waits until a write at an empty primary reaches its replica. A replica can count as
// online up to a second before the primary sends it anything.
func followed(t testing.TB, primary, replica *Server) {
	t.Helper()
	Await(t, "the replica follows", func() bool { return replica.Info("master_link_status") == "up" })
	Await(t, "the primary counts it", func() bool { return strings.Contains(primary.Info("slave0"), "state=online") })
	primary.Do("FLUSHALL")
	Await(t, "the replica has what was written", func() bool {
		n := replica.Info("slave_repl_offset")
		return n != "0" && n == primary.Info("master_repl_offset")
	})
}

// clusterSlots are the first slots of the primaries of a cluster.
var clusterSlots = []int{0, 5461, 10922, 16384}

// Owner returns which of the three primaries of a new cluster has key.
func Owner(t testing.TB, primaries []*Server, key string) int {
	t.Helper()
	slot, err := strconv.Atoi(primaries[0].Do("CLUSTER", "KEYSLOT", key))
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for slot >= clusterSlots[i+1] {
		i++
	}
	return i
}

// startCluster starts a cluster of n nodes, of which the first three have all slots.
func startCluster(t testing.TB, n int, args []string) []*Server {
	t.Helper()
	skipIfShort(t)
	var nodes []*Server
	for range n {
		nodes = append(nodes, Start(t, append([]string{"--cluster-enabled", "yes", "--cluster-port", freePort(t)}, args...)...))
	}
	for i, n := range nodes {
		if i < 3 {
			n.Do("CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(clusterSlots[i]), fmt.Sprint(clusterSlots[i+1]-1))
		}
		for _, other := range nodes[:i] {
			n.Do("CLUSTER", "MEET", "127.0.0.1", other.Port, busPort(other))
			other.Do("CLUSTER", "MEET", "127.0.0.1", n.Port, busPort(n))
		}
	}
	Await(t, "the cluster is whole", func() bool {
		for _, node := range nodes {
			info := node.Do("CLUSTER", "INFO")
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", n)) {
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
