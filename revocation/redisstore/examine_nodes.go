package redisstore

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

const (
	lateBytes = 1 << 20 // a replica that lacks more than this is behind
	lateFor   = 2       // a replica that was last heard longer ago is behind, s
)

// A follower is a replica of the server that holds the list, as that server reports it.
type follower struct {
	addr, state string
	behind      int64 // bytes
	lag         int64 // s since the primary heard it
}

// followers reads the replicas from INFO: slave0:ip=10.0.0.2,port=6379,state=online,offset=1,lag=0.
func (i info) followers() (all []follower) {
	for n := 0; ; n++ {
		line, ok := i["slave"+strconv.Itoa(n)]
		if !ok {
			return all
		}
		v := info{}
		for part := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(part, "=")
			v[name] = value
		}
		all = append(all, follower{net.JoinHostPort(v["ip"], v["port"]), v["state"], i.int("master_repl_offset") - v.int("offset"), v.int("lag")})
	}
}

// replication checks how far the replicas are behind.
func replication(i info) Finding {
	all := i.followers()
	if len(all) == 0 {
		return Finding{Good, "replication", "no replicas", ""}
	}
	var late []string
	for _, c := range all {
		switch {
		case c.state != "online":
			late = append(late, c.addr+" is "+c.state)
		case c.lag > lateFor:
			late = append(late, fmt.Sprintf("%s was last heard %d s ago", c.addr, c.lag))
		case c.behind > lateBytes:
			late = append(late, fmt.Sprintf("%s lacks %d kB", c.addr, c.behind>>10))
		}
	}
	if len(late) == 0 {
		return Finding{Good, "replication", fmt.Sprintf("all %d replicas are up to date", len(all)), ""}
	}
	return Finding{Warning, "replication", strings.Join(late, ", ") + ": a failover to it would lose revocations", "see the log of that server, and the network between the two"}
}

// others compares the settings of the other servers. After a failover, or when a slot has moved,
// any of them may hold the list.
func (s *Store) others(ctx context.Context, o *redis.UniversalOptions, primary *redis.Client, ours info) (out []Finding) {
	nodes, done, err := s.nodes(ctx, o, primary, ours)
	defer done()
	if err != nil {
		return []Finding{{Warning, "nodes", "the servers of the Cluster are unknown: " + err.Error(), "see CLUSTER SLOTS"}}
	}
	if len(nodes) == 0 {
		return []Finding{{Good, "nodes", "no other servers", ""}}
	}
	for _, n := range nodes {
		addr := n.Options().Addr
		theirs, err := s.ask(ctx, n)
		if err != nil {
			out = append(out, Finding{Warning, "nodes", addr + " could not be checked: " + strings.TrimPrefix(err.Error(), "redisstore: "),
				"let this machine and this user reach every server: applications need it after a failover"})
			continue
		}
		for _, d := range ours.differs(theirs) {
			out = append(out, Finding{Warning, "nodes", addr + ": " + d + ", which matters after a failover", "set it there too, and in redis.conf"})
		}
	}
	if len(out) == 0 {
		out = append(out, Finding{Good, "nodes", fmt.Sprintf("%d other servers have the same settings", len(nodes)), ""})
	}
	return out
}

// differs names the settings that differ in theirs.
func (i info) differs(theirs info) (out []string) {
	for _, x := range []struct{ in, name string }{
		{"maxmemory_policy", "maxmemory-policy"}, {"maxmemory", "maxmemory"}, {"aof_enabled", "appendonly"}, {"appendfsync", "appendfsync"},
		{"min-replicas-to-write", "min-replicas-to-write"}, {"min-replicas-max-lag", "min-replicas-max-lag"},
	} {
		a, known := i[x.in]
		b, there := theirs[x.in]
		if known && there && a != b {
			if x.in == "aof_enabled" {
				a, b = onOff[a], onOff[b]
			}
			out = append(out, fmt.Sprintf("%s is %s, and %s on the primary", x.name, b, a))
		}
	}
	if _, known := i["min-replicas-to-write"]; !known && i.waits() && !theirs.waits() {
		out = append(out, "min-replicas-to-write is 0, and set on the primary")
	}
	return out
}

var onOff = map[string]string{"1": "yes", "0": "no"}

// nodes returns clients of the other servers, and a function that closes them.
func (s *Store) nodes(ctx context.Context, o *redis.UniversalOptions, primary *redis.Client, ours info) (nodes []*redis.Client, done func(), _ error) {
	if c, ok := s.client.(*redis.ClusterClient); ok {
		var mu sync.Mutex // owns nodes
		err := c.ForEachShard(ctx, func(_ context.Context, n *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			if n.Options().Addr != primary.Options().Addr {
				nodes = append(nodes, n)
			}
			return nil
		})
		return nodes, func() {}, err
	}
	for _, c := range ours.followers() {
		simple := ourOptions(o).Simple()
		simple.Addr = c.addr
		nodes = append(nodes, redis.NewClient(simple))
	}
	return nodes, func() {
		for _, n := range nodes {
			n.Close()
		}
	}, nil
}
