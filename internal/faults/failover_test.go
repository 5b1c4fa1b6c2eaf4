package faults

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

// failovers are the faults in which another server takes over.
var failovers = []kind{
	{name: "failover by hand, nothing lost", stage: pair, play: func(w *world) {
		back := w.out()
		redistest.Await(w.t, "the replica has all", func() bool { return w.server.Do("WAIT", "1", "1000") == "1" })
		w.server.Kill()
		w.promote(w.apps...)
		back()
	}},
	{name: "failover by hand, the tail lost", smoke: true, stage: pair, play: func(w *world) { w.loseTail(0) }},
	{name: "failover by hand, the tail lost, and the process that wrote it killed", stage: pair, play: func(w *world) { w.loseTail(1) }},
	{name: "failover by hand, the tail lost, writer killed, Ack of one replica", stage: pair, ack: 1, play: func(w *world) {
		w.loseTail(1)
		w.server.Restart()
		_, port, _ := strings.Cut(w.replica.Addr, ":")
		w.server.Do("REPLICAOF", "127.0.0.1", port)
		redistest.Await(w.t, "the old primary follows", func() bool { return strings.Contains(w.replica.Info("slave0"), "state=online") })
	}},
	{name: "failover by hand, one process stays with the old primary", stage: pair, play: func(w *world) { w.part(false) }},
	{name: "failover by hand, the tail lost, one process stays with the old primary", stage: pair, play: func(w *world) { w.part(true) }},
	{name: "Sentinel, primary killed", stage: watched, play: func(w *world) {
		w.sentinelTakesOver(w.server.Kill)
		w.server.Restart()
	}},
	{name: "Sentinel, primary stopped and continued", stage: watched, play: func(w *world) {
		w.sentinelTakesOver(w.server.Pause)
		joined := w.parted(0, 1, 2)
		w.server.Resume()
		w.demoted()
		joined()
	}},
	{name: "Sentinel, primary parted from the replica with one process", stage: watched, play: func(w *world) {
		p := w.apps[0]
		joined := w.parted(p.number)
		p.link.route(w.wire.Addr, w.server.Addr)
		p.link.set(rules{refused: map[string]bool{w.sentinel.Addr: true, w.replica.Addr: true}})
		backOne, backOthers := w.out(p.number), w.out(1, 2)
		w.sentinelPromotes(w.wire.Blackhole)
		backOthers()
		time.Sleep(w.span(0, 3*time.Second))
		w.wire.Restore()
		p.link.set(rules{})
		p.link.route(w.wire.Addr, w.wire.Addr)
		w.demoted()
		backOne()
		joined()
	}},
	{name: "Cluster, node killed and started", stage: clustered, play: func(w *world) {
		w.nodeDies()
		w.server.Restart()
	}},
	{name: "Cluster, node killed and stays dead", stage: clustered, play: (*world).nodeDies},
	{name: "Cluster, the slot of the list moves", stage: clustered, play: moveSlot},
	{name: "busy log, FLUSHALL", lists: 8, stage: alone(), ready: busy, play: flush},
	{name: "busy log, a process stopped, with a crowd waiting", lists: 8, stage: alone(), ready: busy, play: stop},
	{name: "busy log, failover by hand, the tail lost", lists: 8, stage: pair, ready: busy, play: func(w *world) { w.loseTail(0) }},
}

// loseTail promotes a replica that lacks the last entries, and kills the given number of the
// processes that may have written them.
func (w *world) loseTail(killed int) {
	since := w.now()
	w.wire.Blackhole()
	time.Sleep(w.span(20*time.Millisecond, 400*time.Millisecond))
	back, found := w.out(), w.lose(since)
	for _, p := range w.apps[:killed] {
		w.dies(p)
	}
	w.server.Kill()
	time.Sleep(w.span(0, time.Second))
	w.promote(w.apps...)
	back()
	found()
	for _, p := range w.apps[:killed] {
		w.start(p)
	}
}

// dies kills a process that may be the only one that knows its revocations.
func (w *world) dies(p *process) {
	p.kill()
	w.recording.Lock()
	defer w.recording.Unlock()
	w.deaths = append(w.deaths, death{p.number, w.now()})
}

// part leaves one process with the old primary for some time.
func (w *world) part(tail bool) {
	since := w.now()
	w.wire.Blackhole()
	if tail {
		time.Sleep(w.span(20*time.Millisecond, 400*time.Millisecond))
	} else {
		w.server.Try("WAIT", "1", "0")
	}
	joined, found := w.parted(0), w.lose(since)
	w.promote(w.apps[1:]...)
	time.Sleep(w.span(time.Second, 5*time.Second))
	w.server.Do("REPLICAOF", "127.0.0.1", w.replica.Port)
	w.apps[0].link.route(w.server.Addr, w.replica.Addr)
	joined()
	found()
}

// sentinelTakesOver waits for the failover that follows the end of the primary.
func (w *world) sentinelTakesOver(end func()) {
	back := w.out()
	w.sentinelPromotes(end)
	back()
}

func (w *world) sentinelPromotes(end func()) {
	found := w.lose(w.now() - time.Second)
	end()
	redistest.Await(w.t, "sentinel promotes the replica", func() bool {
		return w.sentinel.Primary() == w.replica.Addr && role(w.replica) == "master"
	})
	found()
}

// demoted waits until the old primary follows the new one.
func (w *world) demoted() {
	redistest.Await(w.t, "the old primary follows", func() bool { return role(w.server) == "slave" })
}

// role returns the role that a server reports, or "" if it does not answer, as while its role
// changes.
func role(s *redistest.Server) string {
	answer, _ := s.Try("ROLE")
	name, _, _ := strings.Cut(answer, "\n")
	return name
}

// nodeDies kills the node that holds the list, and waits until the Cluster is whole.
func (w *world) nodeDies() {
	back, found := w.out(), w.lose(w.now()-time.Second)
	w.server.Kill()
	redistest.Await(w.t, "the cluster is whole", func() bool {
		for _, n := range append(w.replicas[:3:3], w.primaries...) {
			if n != w.server && !strings.Contains(n.Do("CLUSTER", "INFO"), "cluster_state:ok") {
				return false
			}
		}
		return role(w.replica) == "master"
	})
	back()
	found()
}

// moveSlot moves the keys of the list to another node while they are used.
func moveSlot(w *world) {
	slot := w.server.Do("CLUSTER", "KEYSLOT", head)
	to := w.primaries[0]
	if to == w.server {
		to = w.primaries[1]
	}
	from, dest := w.server.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
	back := w.out()
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", from)
	w.server.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", dest)
	time.Sleep(w.span(0, time.Second))
	for {
		key := w.server.Do("CLUSTER", "GETKEYSINSLOT", slot, "1")
		if key == "" {
			break
		}
		w.server.Do("MIGRATE", "127.0.0.1", to.Port, key, "0", "5000")
		time.Sleep(w.span(0, 60*time.Millisecond))
	}
	for _, n := range append([]*redistest.Server{to}, w.primaries...) {
		n.Do("CLUSTER", "SETSLOT", slot, "NODE", dest)
	}
	back()
}

// busy fills the log with 30,000 entries and keeps adding some hundred a second.
func busy(w *world) {
	var filling sync.WaitGroup
	for i, p := range w.apps {
		filling.Go(func() {
			if status, _, _ := p.call("POST", "/fill?n=10000&name=old"+strconv.Itoa(i)+"-", 0, nil); status != http.StatusOK {
				w.t.Errorf("the log was not filled: %d", status)
			}
		})
	}
	filling.Wait()
	go func() {
		for i := 0; w.t.Context().Err() == nil; i++ {
			began := time.Now()
			w.apps[i%3].call("POST", "/fill?n=300&name=new"+strconv.Itoa(i)+"-", i%w.set.Lists, nil)
			time.Sleep(time.Second - time.Since(began))
		}
	}()
}
