package faults

import (
	"net"
	"strings"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

// one server, with args added to its command line.
func alone(args ...string) func(w *world) {
	return func(w *world) {
		w.server = redistest.Start(w.t, args...)
		w.redis = "redis://" + w.server.Addr
	}
}

// pair starts a primary, and a replica that follows it through w.wire.
func pair(w *world) {
	w.server = redistest.Start(w.t)
	w.wire = redistest.NewProxy(w.t, w.server.Addr)
	_, port, _ := net.SplitHostPort(w.wire.Addr)
	w.replica = redistest.Start(w.t, "--replicaof", "127.0.0.1 "+port)
	redistest.Await(w.t, "the replica follows", func() bool { return w.replica.Info("master_link_status") == "up" })
	redistest.Await(w.t, "the primary counts it", func() bool { return strings.Contains(w.server.Info("slave0"), "state=online") })
	w.redis = "redis://" + w.server.Addr
}

// promote makes the replica of a pair the primary, and sends processes to it.
func (w *world) promote(apps ...*process) {
	w.replica.Do("REPLICAOF", "NO", "ONE")
	for _, p := range apps {
		p.link.route(w.server.Addr, w.replica.Addr)
	}
}

// watched starts a primary and a replica that Sentinel watches. All of them reach the
// primary over w.wire.
func watched(w *world) {
	w.sentinel, w.wire = redistest.StartSentinelApart(w.t)
	w.server, w.replica = w.sentinel.Servers[0], w.sentinel.Servers[1]
	w.redis = "redis+sentinel://" + w.sentinel.Addr + "/wafer"
}

// clustered starts three primaries, each with a replica. w.server and w.replica are the two that
// hold the list.
func clustered(w *world) {
	w.primaries, w.replicas = redistest.StartReplicatedCluster(w.t)
	i := redistest.Owner(w.t, w.primaries, "{wafer}:head")
	w.server, w.replica = w.primaries[i], w.replicas[i]
	w.redis = "redis+cluster://" + w.primaries[(i+1)%3].Addr
}
