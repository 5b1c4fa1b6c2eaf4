package replica_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	. "github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// The model: what was revoked, when, and which sessions that ends, told without
// positions, filters and tags. Random histories of several replicas on a simulated
// store run against it. It sees a replica as the middleware does, through what it
// decides and gives out, and the store through its contract.

var (
	modelHistories = flag.Int("model.histories", Histories, "random histories to run against the model; make test runs 10,000")
	modelFirst     = flag.Uint64("model.first", 1, "seed of the first history")
	modelSeed      = flag.Uint64("model.seed", 0, "run the one history of this seed, and print it")
)

const modelS = 2 * time.Second

// A member is a replica with what the model knows of it.
type member struct {
	name string
	l    *Replica
	link *link
	wall time.Duration // its clock is off by
	idle time.Duration
	// read holds the revocations that it read, by their key, with the highest W.
	read  map[revlog.Key]int64
	slow  map[modelSlowEnd]bool // entries read that end sessions slowly
	heard time.Time             // as of when it last read a log to its end, however the turn ended
	last  turn                  // its last turn that read the log to its end
	run   turn                  // the first of those since a turn failed or it was served by another server
}

// A turn of a reader.
type turn struct {
	from  *server   // nil: there was none
	lives int       // of that server
	term  uint32    // that it was in
	clock int       // of the simulation, when it began
	at    time.Time // as of when it knows the log: the heartbeat of the last read
}

type history struct {
	t        *testing.T
	seed     uint64
	r        *rand.Rand
	mean     *rand.Rand // of somebody who forges
	mild     *rand.Rand // of somebody who asks something of sessions; nil: nobody does
	sim      *sim
	weak     *weakness
	strict   string // the exemption that is not made
	members  []*member
	sessions []*modelSession
	tokens   []*modelToken
	revoked  []*modelRevocation
	old      []saved       // snapshots
	deposed  *server       // last
	keys     int           // number of the key that seals
	shortest time.Duration // retention that the list was ever told
	begun    time.Time
	upset    time.Time // when something last happened to the store that may lose or hide what it acknowledged
	clocks   bool      // a server's clock was ever set
	split    bool      // two servers ever served at once

	failed   string
	traced   bool // what happens is told in trace
	trace    []string
	counts   map[string]int
	forgiven map[string]int
}

func (h *history) say(format string, args ...any) {
	if h.traced {
		h.trace = append(h.trace, fmt.Sprintf("%9.3f ", time.Since(h.begun).Seconds())+fmt.Sprintf(format, args...))
	}
}

func (h *history) fail(format string, args ...any) {
	if h.failed == "" {
		h.failed = fmt.Sprintf(format, args...)
		h.say("FAILED %s", h.failed)
	}
}

func (h *history) pick(n int) int { return h.r.IntN(n) }

func (h *history) someone() *member { return h.members[h.pick(len(h.members))] }

// run plays one history and says in failed what it found wrong.
func (h *history) run() {
	h.begun = time.Now()
	h.boot()
	h.boot()
	for range 60 + h.pick(60) {
		if h.failed != "" {
			return
		}
		switch n := h.pick(100); {
		case n < 30:
			h.advance()
		case n < 42:
			h.login(h.someone())
		case n < 75 && len(h.tokens) > 0:
			h.request(h.someone(), h.tokens[h.pick(len(h.tokens))])
		case n < 84:
			h.revokeSomething(h.someone())
		case n < 88:
			if st, ok := h.sim.primary.save(); ok {
				h.old = append(h.old, st)
			}
		case n < 95:
			h.fault()
		default:
			h.step(h.someone())
		}
	}
	h.heal()
}

// heal ends all faults and waits until nothing is under way: then no session that
// ended may be accepted by anybody.
func (h *history) heal() {
	h.say("all faults end")
	h.unforged()
	for _, r := range h.members {
		r.link.to, r.link.loss = h.sim.primary, 0
	}
	for range 15 {
		time.Sleep(200 * time.Millisecond)
		for _, r := range h.members {
			h.step(r)
		}
	}
	for _, r := range h.members {
		if age := r.l.Stats().Age; age > modelS && !h.weak.on() {
			h.fail("%s is not in step: its view is %v old", r.name, age)
		}
	}
	if h.all() > 0 {
		h.say("a minute of log time passes, which may go at half the clock's speed")
		for range 121 {
			time.Sleep(time.Second)
			for _, r := range h.members {
				h.step(r)
			}
		}
		if n := h.all(); n > 0 && !h.weak.on() {
			h.fail("%d decisions are open although nothing is wrong", n)
		}
	}
}

// all has every replica decide about every token, and returns how many decisions are
// open.
func (h *history) all() (open int) {
	for _, t := range slices.Clone(h.tokens) {
		for _, r := range h.members {
			if h.failed != "" {
				return 0
			}
			q, d := h.decide(r, t)
			// One from the list's future is undecided until log time has come that far.
			if q != nil && d.Outcome == Undecided && !t.s.newer && q.Epoch <= h.sim.primary.head().MS+modelS.Milliseconds()+1 {
				open++
			}
		}
	}
	return open
}

func playModel(t *testing.T, seed uint64, weak *weakness, strict string) *history {
	h := newHistory(seed, weak)
	h.strict, h.traced = strict, *modelSeed != 0
	if strict != "" || weak.on() && !weak.asks { // what is looked for is found sooner if nothing is asked of sessions
		h.mild = nil
	}
	h.play(t)
	return h
}

func newHistory(seed uint64, weak *weakness) *history {
	h := &history{
		seed: seed, mean: rand.New(rand.NewPCG(seed, 2)), weak: weak, r: rand.New(rand.NewPCG(seed, 1)), counts: map[string]int{}, forgiven: map[string]int{},
	}
	if seed%2 == 0 {
		h.mild = rand.New(rand.NewPCG(seed, 3))
	}
	return h
}

// play runs h in a bubble.
func (h *history) play(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		h.t = t
		h.sim = newSim(h.r, h.weak)
		h.sim.changed = h.track
		h.run()
	})
}

// A seed says everything that happens, so that a history that failed can be seen again.
func TestModelIsTheSameEachTime(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, 4, 5, 6, 7, 8, 576, 3616} { // of which some did not
		var told []string
		for i := range 3 {
			h := newHistory(seed, &weakness{})
			h.traced = true
			h.play(t)
			if i > 0 && !slices.Equal(h.trace, told) {
				t.Fatalf("history %d went another way the second time", seed)
			}
			told = h.trace
		}
	}
}

func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		h := playModel(t, *modelSeed, &weakness{}, "")
		t.Log("\n" + strings.Join(h.trace, "\n"))
		if h.failed != "" {
			t.Error(h.failed)
		}
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // most of what a history makes is garbage at its end
	var mu sync.Mutex                                 // owns everything below
	next, end, failed := *modelFirst, *modelFirst+uint64(*modelHistories), 0
	counts, forgiven := map[string]int{}, map[string]int{}
	begun := time.Now()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			mu.Lock()
			defer mu.Unlock()
			for next < end && failed < 10 {
				seed := next
				next++
				mu.Unlock()
				h := playModel(t, seed, &weakness{}, "")
				mu.Lock()
				if counts["histories"]++; counts["histories"]%100_000 == 0 {
					t.Logf("%d histories are done: after a stop, go on with -model.first=%d", counts["histories"], seed-2)
				}
				add(counts, h.counts)
				add(forgiven, h.forgiven)
				if h.failed != "" {
					failed++
					t.Errorf("seed %d: %s\nsee it again: go test ./internal/replica -run TestModel$ -v -model.seed=%d", seed, h.failed, seed)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%.0f histories a second: %s", float64(counts["histories"])/time.Since(begun).Seconds(), listed(counts))
	for _, e := range exemptions {
		t.Logf("forgiven %7d times: %s", forgiven[e.name], e.name)
	}
	if counts["accepted"] < counts["histories"] || counts["refused"] < counts["histories"]/2 {
		t.Error("the histories hardly decide anything: the model proves nothing")
	}
}

func add(to, from map[string]int) {
	for k, n := range from {
		to[k] += n
	}
}

func listed(counts map[string]int) string {
	var out []string
	for k, n := range counts {
		out = append(out, fmt.Sprintf("%d %s", n, k))
	}
	slices.SortFunc(out, cmp.Compare)
	return strings.Join(out, ", ")
}

// background is the context of every call, of which none has to end early.
var background = context.Background()
