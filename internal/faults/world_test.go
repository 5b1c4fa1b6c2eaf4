package faults

import (
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
)

// A kind is one kind of fault: a row of the table.
type kind struct {
	name     string
	smoke    bool           // go test plays it
	lists    int            // how many lists each process opens; zero: one
	ack      int            // replicas of the store that must acknowledge a revocation
	redisKey bool           // the key ring is kept in Redis too
	stage    func(w *world) // starts servers and sets w.redis to their address
	ready    func(w *world) // prepares the list before the load starts; may be nil
	play     func(w *world) // makes the fault, from its start to its end
}

// A world holds the servers, processes and record of one history.
type world struct {
	recording sync.Mutex // owns record
	record
	t        testing.TB
	rng      *rand.Rand // of the goroutine that plays
	began    time.Time
	everyone atomic.Bool // the administrator may revoke everyone

	redis string // address of the servers, for the application
	set   settings
	apps  []*process
	load  *load

	starting sync.WaitGroup // of processes that start in the background

	server    *redistest.Server // the only one, or the first primary
	replica   *redistest.Server // its replica
	wire      *redistest.Proxy  // from the replica to the primary
	sentinel  *redistest.Sentinel
	primaries []*redistest.Server
	replicas  []*redistest.Server
}

func (w *world) now() time.Duration { return time.Since(w.began) }

func (w *world) session(id string) *session {
	w.recording.Lock()
	defer w.recording.Unlock()
	return w.sessions[id]
}

// span returns a random time.
func (w *world) span(from, to time.Duration) time.Duration {
	return from + time.Duration(w.rng.Int64N(int64(to-from)))
}

// one returns a random process.
func (w *world) one() *process { return w.apps[w.rng.IntN(len(w.apps))] }

// history plays one history.
func history(t testing.TB, k kind, seed uint64) *record {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), began: time.Now()}
	w.sessions = map[string]*session{}
	w.everyone.Store(seed%3 == 0)
	k.stage(w)
	dir := t.TempDir()
	w.set = settings{Redis: w.redis, KEK: filepath.Join(dir, "kek"), Ring: filepath.Join(dir, "ring"), Lists: max(1, k.lists), AckReplicas: k.ack}
	if err := keys.CreateFile(t.Context(), w.set.Ring, keys.KEKFile(w.set.KEK), keys.Generate(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if k.redisKey {
		w.set.Ring = ""
	}
	for range 3 {
		w.start(w.add())
	}
	if k.ready != nil {
		k.ready(w)
	}
	stall := watchTheMachine()
	w.load = newLoad(w)
	time.Sleep(3 * time.Second)
	w.note("the fault begins")
	k.play(w)
	w.end = w.now()
	w.recovered = w.inStep()
	w.note("it ended at %v", w.end)
	time.Sleep(within + time.Second)
	w.load.stop()
	time.Sleep(within)
	w.sweep()
	w.stalled = stall()
	return &w.record
}

// add creates another process of the application.
func (w *world) add() *process {
	p := newProcess(w.t, len(w.apps), w.set)
	if w.server != nil && len(w.apps) > 0 { // all use the routes of the first one
		w.apps[0].link.like(p.link)
	}
	w.apps = append(w.apps, p)
	return p
}

// start starts a process.
func (w *world) start(p *process) {
	if err := p.launch(); err != nil {
		w.recording.Lock()
		defer w.recording.Unlock()
		w.notStarted = append(w.notStarted, err.Error())
	}
}

// note writes to the log of the test what happens when.
func (w *world) note(format string, args ...any) {
	w.t.Logf("%v: "+format, append([]any{w.now()}, args...)...)
}

// out notes that the given processes, or all if none is given, do not reach the store until the
// returned function is called.
func (w *world) out(apps ...int) (back func()) {
	w.recording.Lock()
	defer w.recording.Unlock()
	o := &outage{apps: apps, from: w.now(), to: 1 << 61}
	w.outages = append(w.outages, o)
	return func() {
		w.recording.Lock()
		defer w.recording.Unlock()
		o.to = w.now()
	}
}

// lose notes that the store loses revocations that were acknowledged since the given time, until
// the returned function is called.
func (w *world) lose(since time.Duration) (back func()) {
	w.recording.Lock()
	defer w.recording.Unlock()
	o := &outage{from: w.now(), to: 1 << 61, lost: true, since: since}
	w.outages = append(w.outages, o)
	return func() {
		w.recording.Lock()
		defer w.recording.Unlock()
		o.to = w.now()
	}
}

// parted notes that the given processes stay with a primary that others have left, until the
// returned function is called.
func (w *world) parted(side ...int) (joined func()) {
	w.recording.Lock()
	defer w.recording.Unlock()
	s := &split{side: side, from: w.now(), to: 1 << 61}
	w.splits = append(w.splits, s)
	return func() {
		w.recording.Lock()
		defer w.recording.Unlock()
		s.to = w.now()
	}
}

// inStep returns how long it takes until every process does everything it should.
func (w *world) inStep() time.Duration {
	var waiting sync.WaitGroup
	var stuck atomic.Bool
	for _, p := range w.apps {
		if !p.serves() {
			continue // it did not start, and the record says so
		}
		for list := range p.set.Lists {
			waiting.Go(func() {
				for !w.works(p, list) {
					if w.now()-w.end > 2*inStep {
						stuck.Store(true)
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
	}
	waiting.Wait()
	if stuck.Load() {
		return -1
	}
	return w.now() - w.end
}

// works tries a login, a route that needs a fresh list, and a revocation.
func (w *world) works(p *process, list int) bool {
	l := &load{w: w, copied: map[string]bool{}}
	b := &browser{user: "canary" + strconv.Itoa(p.number) + strconv.Itoa(list), cookies: map[string]string{}}
	status, body, set := p.call("POST", "/login?user="+b.user, list, nil)
	if status != http.StatusOK {
		return false
	}
	b.session = body.ID
	l.keep(b, set)
	if status, _, _ = p.call("GET", "/fresh", list, b.cookies); status != http.StatusOK {
		return false
	}
	status, _, _ = p.call("POST", "/revoke?scope=session&id="+b.session, list, nil)
	return status == http.StatusOK
}

// sweep asks every process about every session that a thief has.
func (w *world) sweep() {
	first, newest := map[string]thief{}, map[string]thief{}
	for _, t := range w.load.thieves {
		if _, ok := first[t.session]; !ok {
			first[t.session] = t
		}
		newest[t.session] = t
	}
	var asking sync.WaitGroup
	for _, p := range w.apps {
		turns := make(chan thief)
		for range 8 {
			asking.Go(func() {
				for t := range turns {
					w.retry(p, t)
				}
			})
		}
		asking.Go(func() {
			defer close(turns)
			for id, t := range first {
				turns <- t
				turns <- newest[id]
			}
		})
	}
	asking.Wait()
}

// retry sends a cookie until the answer is not 503, for some seconds.
func (w *world) retry(p *process, t thief) {
	list := p.anyList()
	for range 5 {
		status, _, _ := p.call("GET", "/me", list, t.cookies)
		if status != http.StatusServiceUnavailable {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.load.ask(p, list, t, "/me", true)
}

// watchTheMachine returns a function that reports the longest time for which the machine did not
// run this process although it was ready to run.
func watchTheMachine() (longest func() time.Duration) {
	done, ended := make(chan struct{}), make(chan time.Duration)
	go func() {
		const step = 10 * time.Millisecond
		var worst time.Duration
		for last := time.Now(); ; {
			select {
			case <-done:
				ended <- worst
				return
			case <-time.After(step):
			}
			now := time.Now()
			worst = max(worst, now.Sub(last)-step)
			last = now
		}
	}()
	return func() time.Duration { close(done); return <-ended }
}

func (w *world) addSession(s *session) {
	w.recording.Lock()
	defer w.recording.Unlock()
	w.sessions[s.id] = s
}

func (w *world) addRevocation(v *ending) {
	w.recording.Lock()
	defer w.recording.Unlock()
	w.revocations = append(w.revocations, v)
}

func (w *world) addRequest(q request) {
	w.recording.Lock()
	defer w.recording.Unlock()
	w.requests = append(w.requests, q)
}

func (w *world) addLogin(l login) {
	w.recording.Lock()
	defer w.recording.Unlock()
	w.logins = append(w.logins, l)
}
