package alerts

import (
	"slices"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

// A cluster is a Redis Cluster of three primaries with a copy each, and a demo at it, in use.
type cluster struct {
	*stage
	primaries, copies []*redistest.Server // as at the start: a copy that takes over stays among the copies
	demo              *demo
}

// inCluster starts the Cluster if it does not run, and waits until the Cluster is whole and the demo in
// step.
func (s *stage) inCluster() *cluster {
	s.t.Helper()
	if s.cluster == nil {
		c := &cluster{stage: s}
		c.primaries, c.copies = redistest.StartReplicatedCluster(s.t)
		c.demo = newDemo(s.t, s.program, s.kek, s.clustered, "redis+cluster://"+c.primaries[0].Addr+","+c.primaries[1].Addr)
		s.cluster = c
		s.await("the demo at the Cluster serves", c.demo.serves)
		use(s.t, c.demo)
		s.await("Prometheus knows the counters before they grow", func() bool {
			n, err := s.prom.query(`wafer_list_terms_total{job="cluster"}`)
			return err == nil && n == replicas
		})
	}
	s.cluster.whole()
	s.await("the demo at the Cluster is in step", s.cluster.demo.serves)
	s.began = time.Now()
	return s.cluster
}

func (c *cluster) all() []*redistest.Server { return slices.Concat(c.primaries, c.copies) }

// owner returns which server holds the list: every other one redirects to it.
func (c *cluster) owner() (owner *redistest.Server) {
	c.t.Helper()
	c.await("a server has the list", func() bool {
		for _, n := range c.all() {
			if held, err := n.Try("EXISTS", head); err == nil && held == "1" {
				owner = n
				return true
			}
		}
		return false
	})
	return owner
}

// other returns a number of a primary, and of its copy, that do not hold the list.
func (c *cluster) other() int {
	owner := c.owner()
	return slices.IndexFunc(c.primaries, func(p *redistest.Server) bool {
		return p != owner && c.copies[slices.Index(c.primaries, p)] != owner
	})
}

// whole waits until every server finds the Cluster whole, and those that were primaries know it.
func (c *cluster) whole() {
	c.t.Helper()
	c.await("the Cluster is whole", func() bool {
		primaries := 0
		for _, n := range c.all() {
			if !strings.Contains(n.Do("CLUSTER", "INFO"), "cluster_state:ok") {
				return false
			}
			if n.Info("role") == "master" {
				primaries++
			}
		}
		return primaries == 3
	})
}

// nodeDies kills the server that holds the list. Its copy takes over.
func (c *cluster) nodeDies() (end func()) {
	dead := c.owner()
	dead.Kill()
	return dead.Restart
}

// partDies kills another primary and its copy, so that the Cluster answers CLUSTERDOWN.
func (c *cluster) partDies() (end func()) {
	i := c.other()
	c.primaries[i].Kill()
	c.copies[i].Kill()
	return func() {
		c.primaries[i].Restart()
		c.copies[i].Restart()
	}
}

// moveSlot moves the slot of the list to another primary, while it is used.
func (c *cluster) moveSlot() {
	from, to := c.owner(), c.primaries[c.other()]
	if to.Info("role") != "master" {
		to = c.copies[c.other()]
	}
	slot, source, dest := from.Do("CLUSTER", "KEYSLOT", head), from.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", source)
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", dest)
	for {
		key := from.Do("CLUSTER", "GETKEYSINSLOT", slot, "1")
		if key == "" {
			break
		}
		from.Try("MIGRATE", "127.0.0.1", to.Port, key, "0", "5000") // the key may just have expired
	}
	for _, n := range []*redistest.Server{to, from} {
		n.Do("CLUSTER", "SETSLOT", slot, "NODE", dest)
	}
}
