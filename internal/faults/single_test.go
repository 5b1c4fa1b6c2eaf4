package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

const (
	head = "{wafer}:head"
	log  = "{wafer}:log"
)

// single holds the faults of one server, of the network and of processes of the application.
var single = []kind{
	{name: "Redis killed, append-only file, fsync always", stage: alone("--appendonly", "yes", "--appendfsync", "always"), play: crash},
	{name: "Redis killed, append-only file, fsync every second", stage: alone("--appendonly", "yes"), play: crash},
	{name: "power cut: the end of the append-only file is missing", stage: alone("--appendonly", "yes", "--appendfsync", "always"), play: func(w *world) {
		w.empties(func() {
			w.server.Kill()
			cutTail(w)
		}, w.now()-2*time.Second)
	}},
	{name: "comes back empty", stage: alone(), play: func(w *world) { w.empties(w.server.Kill, 0) }},
	{name: "comes back empty, twice", stage: alone(), play: func(w *world) {
		w.empties(w.server.Kill, 0)
		time.Sleep(w.span(time.Second, 4*time.Second))
		w.empties(w.server.Kill, 0)
	}},
	{name: "comes back empty while a process starts, with the key ring", redisKey: true, stage: alone(), play: func(w *world) {
		w.empties(func() {
			w.server.Kill()
			p := w.join()
			w.starting.Go(func() { w.start(p) })
			time.Sleep(time.Second)
		}, 0)
		w.starting.Wait()
	}},
	{name: "FLUSHALL", smoke: true, stage: alone(), play: flush},
	{name: "FLUSHALL, and a process starts", stage: alone(), play: func(w *world) {
		p := w.join()
		flush(w)
		w.start(p)
	}},
	{name: "an older snapshot comes back", stage: alone("--dbfilename", "dump.rdb"), play: func(w *world) {
		since := w.now()
		w.server.Do("SAVE")
		time.Sleep(w.span(2*time.Second, 5*time.Second))
		w.empties(w.server.Kill, since)
	}},
	{name: "DEL head", stage: alone(), play: func(w *world) { w.damage("DEL", head) }},
	{name: "DEL log", stage: alone(), play: func(w *world) { w.damage("DEL", log) }},
	{name: "HDEL of one field of head", stage: alone(), play: func(w *world) {
		fields := strings.Split(w.server.Do("HKEYS", head), "\n")
		w.damage("HDEL", head, fields[w.rng.IntN(len(fields))])
	}},
	{name: "XTRIM past a process that is cut off", stage: alone(), play: func(w *world) {
		p := w.one()
		back := w.out(p.number)
		p.link.swallow(true)
		time.Sleep(w.span(time.Second, 3*time.Second))
		w.server.Do("XTRIM", log, "MAXLEN", "1")
		p.link.swallow(false)
		back()
	}},
	{name: "XDEL of the newest entry", stage: alone(), play: func(w *world) {
		newest, _, _ := strings.Cut(w.server.Do("XREVRANGE", log, "+", "-", "COUNT", "1"), "\n")
		w.damage("XDEL", log, newest)
	}},
	{name: "XDEL of an entry in the middle", stage: alone(), play: func(w *world) {
		entries := strings.Split(w.server.Do("XRANGE", log, "-", "+"), "\n")
		entries = slices.DeleteFunc(entries, func(s string) bool { return !strings.Contains(s, "-") || len(s) > 32 })
		w.damage("XDEL", log, entries[len(entries)/2])
	}},
	{name: "keys of the wrong type, and garbage in them", stage: alone(), play: func(w *world) {
		garbage := [][]string{{"SET", head, "x"}, {"SET", log, "x"}, {"SET", "{wafer}:globals", "x"}, {"HSET", head, "n", "x"}, {"HSET", head, "l", "x"},
			{"HSET", head, "ms", ""}, {"XADD", log, "*", "e", "x"}}
		w.damage(garbage[w.rng.IntN(len(garbage))]...)
	}},
	{name: "keys evicted", stage: alone(), play: evict},
	{name: "maxmemory reached", stage: alone(), play: func(w *world) {
		w.server.Do("CONFIG", "SET", "maxmemory", "1mb")
		time.Sleep(w.span(time.Second, 5*time.Second))
		w.server.Do("CONFIG", "SET", "maxmemory", "0")
	}},
	{name: "writes refused for want of replicas", stage: alone(), play: func(w *world) {
		back := w.out()
		w.outages[0].read = true
		w.server.Do("CONFIG", "SET", "min-replicas-to-write", "1")
		time.Sleep(w.span(time.Second, 5*time.Second))
		w.server.Do("CONFIG", "SET", "min-replicas-to-write", "0")
		back()
	}},
	{name: "SCRIPT FLUSH", stage: alone(), play: func(w *world) { w.repeat(40, "SCRIPT", "FLUSH") }},
	{name: "CLIENT KILL", stage: alone(), play: func(w *world) { w.repeat(40, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") }},
	{name: "CLIENT PAUSE", stage: alone(), play: func(w *world) {
		back := w.out()
		d := w.span(300*time.Millisecond, 3*time.Second)
		w.server.Do("CLIENT", "PAUSE", strconv.Itoa(int(d.Milliseconds())))
		time.Sleep(d)
		back()
	}},
	{name: "Redis stopped and continued", stage: alone(), play: func(w *world) {
		back := w.out()
		w.server.Pause()
		time.Sleep(w.span(300*time.Millisecond, 9*time.Second))
		w.server.Resume()
		back()
	}},
	{name: "a process stopped for 1 to 9 s, with a crowd waiting", stage: alone(), play: stop},
	{name: "rolling restart", stage: alone(), play: func(w *world) {
		for _, p := range w.apps {
			p.end()
			w.start(p)
			time.Sleep(w.span(200*time.Millisecond, time.Second))
		}
	}},
	{name: "processes killed and started", stage: alone(), play: func(w *world) {
		for _, p := range w.apps[:2] {
			p.kill()
			time.Sleep(w.span(100*time.Millisecond, time.Second))
			w.start(p)
		}
	}},
	{name: "latency of 30 to 120 ms in each direction", stage: alone(), play: func(w *world) {
		w.links(rules{delay: w.span(30*time.Millisecond, 120*time.Millisecond)})
		time.Sleep(w.span(4*time.Second, 6*time.Second))
		w.links(rules{})
	}},
	{name: "jitter, and connections cut", stage: alone(), play: func(w *world) {
		back := w.out()
		w.links(rules{jitter: 250 * time.Millisecond, cut: 0.02})
		time.Sleep(w.span(4*time.Second, 6*time.Second))
		w.links(rules{})
		back()
	}},
	{name: "the network swallows what one process sends", stage: alone(), play: func(w *world) {
		p := w.one()
		back := w.out(p.number)
		p.link.swallow(true)
		time.Sleep(w.span(500*time.Millisecond, 7*time.Second))
		p.link.swallow(false)
		back()
	}},
	{name: "connections of one process refused", stage: alone(), play: func(w *world) {
		p := w.one()
		back := w.out(p.number)
		p.link.set(rules{refuse: true})
		time.Sleep(w.span(500*time.Millisecond, 7*time.Second))
		p.link.set(rules{})
		back()
	}},
	{name: "one process cut off for longer than Grace", stage: alone(), play: func(w *world) {
		p := w.one()
		back := w.out(p.number)
		p.link.swallow(true)
		time.Sleep(grace + 4*time.Second)
		p.link.swallow(false)
		back()
	}},
	{name: "several of these at once", stage: alone("--appendonly", "yes"), play: several},
}

// join adds a process, which the load uses as soon as it answers.
func (w *world) join() *process {
	p := w.add()
	w.load.serve(p)
	return p
}

// crash kills the server and starts it again some time later.
func crash(w *world) {
	back := w.out()
	w.server.Kill()
	time.Sleep(w.span(100*time.Millisecond, 4*time.Second))
	w.server.Restart()
	back()
}

// empties makes the server lose everything that came after since, and starts it again.
func (w *world) empties(end func(), since time.Duration) {
	back, found := w.out(), w.lose(since)
	end()
	time.Sleep(w.span(50*time.Millisecond, 2*time.Second))
	w.server.Restart()
	back()
	found()
}

// damage changes the data in a way that no application does.
func (w *world) damage(command ...string) {
	w.note("%q", command)
	found := w.lose(0)
	w.server.Do(command...)
	found()
}

func flush(w *world) { w.damage("FLUSHALL") }

func (w *world) repeat(n int, command ...string) {
	for range n {
		w.server.Do(command...)
		time.Sleep(w.span(10*time.Millisecond, 100*time.Millisecond))
	}
}

func (w *world) links(r rules) {
	for _, p := range w.apps {
		p.link.set(r)
	}
}

// cutTail cuts the last bytes off the append-only file.
func cutTail(w *world) {
	files, _ := filepath.Glob(filepath.Join(w.server.Dir, "appendonlydir", "*.incr.aof"))
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			os.Truncate(f, max(0, info.Size()-int64(w.rng.IntN(4000))))
		}
	}
}

// evict makes the server evict keys of the list, and waits until the list counts as lost.
func evict(w *world) {
	list := w.server.Do("HGET", head, "g")
	found := w.lose(0)
	w.server.Do("CONFIG", "SET", "maxmemory-policy", "volatile-random")
	for i := range 40 {
		w.server.Do("SET", fmt.Sprint("other", i), strings.Repeat("x", 10_000), "EX", "60")
	}
	used, _ := strconv.Atoi(w.server.Info("used_memory"))
	w.server.Do("CONFIG", "SET", "maxmemory", strconv.Itoa(used-100_000))
	redistest.Await(w.t, "keys are evicted", func() bool { w.server.Try("SET", "more", "x"); return w.server.Info("evicted_keys") != "0" })
	w.server.Do("CONFIG", "SET", "maxmemory", "0")
	w.server.Do("CONFIG", "SET", "maxmemory-policy", "noeviction")
	redistest.Await(w.t, "the list counts as lost", func() bool {
		// A list younger than a minute does not react to evictions. A replica that repairs the list can undo this.
		return w.server.Do("EVAL", makeOld, "1", head, list) == "0"
	})
	found()
}

// makeOld makes a list two minutes older if it is younger than a minute. It returns 0 if another list
// has taken its place.
const makeOld = `
if redis.call('HGET', KEYS[1], 'g') ~= ARGV[1] then return 0 end
local minute, now, b = 60000, redis.call('TIME')[1] * 1000, redis.call('HGET', KEYS[1], 'b')
if now - b < minute + 1000 then redis.call('HSET', KEYS[1], 'b', string.format('%.0f', b - 2 * minute)) end
return 1`

// stop stops a process while requests with stolen cookies wait for it.
func stop(w *world) {
	p := w.one()
	w.note("process %d is stopped", p.number)
	p.pause()
	time.Sleep(w.span(time.Second, 6*time.Second))
	for i := range 150 {
		w.load.wg.Go(func() {
			time.Sleep(time.Duration(i) * 15 * time.Millisecond)
			w.load.steal(p)
		})
	}
	time.Sleep(3 * time.Second)
	p.resume()
	w.note("it continues")
}

// several makes three faults overlap.
func several(w *world) {
	p, q := w.apps[0], w.apps[1]
	type act struct{ begin, end func() }
	var back func()
	acts := []act{
		{func() { flush(w) }, func() {}},
		{p.pause, p.resume},
		{func() { back = w.out(q.number); q.link.swallow(true) }, func() { q.link.swallow(false); back() }},
		{func() { w.links(rules{delay: 100 * time.Millisecond}) }, func() { w.links(rules{}) }},
		{func() { w.server.Do("SCRIPT", "FLUSH") }, func() { w.server.Do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") }},
		{func() { crash(w) }, func() {}},
		{w.apps[2].end, func() { w.start(w.apps[2]) }},
		{func() { w.server.Do("XTRIM", log, "MAXLEN", "1") }, func() {}},
	}
	w.rng.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	for _, a := range acts[:3] {
		a.begin()
		time.Sleep(w.span(100*time.Millisecond, 2*time.Second))
	}
	for _, a := range acts[:3] {
		a.end()
		time.Sleep(w.span(0, time.Second))
	}
}
