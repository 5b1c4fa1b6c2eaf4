package replica

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
)

// The model: what was revoked, when, and which sessions that ends, told without
// positions, filters, tags or clocks but the true one. Random histories of
// several replicas on the simulated store run against it.

var (
	modelHistories = flag.Int("model.histories", 500, "random histories to run against the model; make test runs 10,000")
	modelSeed      = flag.Uint64("model.seed", 0, "run the one history of this seed, and print it")
)

type modelSecrets struct{}

func (modelSecrets) ListSecret(label string) (out [32]byte) {
	copy(out[:], label)
	return out
}

const modelS = 2 * time.Second

type replica struct {
	name string
	l    *Replica
	link *link
	wall time.Duration // its clock is off by
	idle time.Duration
}

type history struct {
	t        *testing.T
	seed     uint64
	r        *rand.Rand
	sim      *sim
	replicas []*replica
	sessions []*modelSession
	tokens   []*modelToken
	revoked  []*modelRevocation
	old      []*simState // snapshots
	weak     weakness
	failed   string
	trace    []string
	lostRefs int // refusals for lack of data, named exceptions
	accepts  int
	refusals int
	begun    time.Time
	shaken   time.Time // when a link, a node or a clock last changed
	apart    time.Time // when somebody was last served by a primary that does not reign
	clocks   bool      // a node's clock was ever stepped
	split    bool      // two nodes ever served at once
}

func (h *history) say(format string, args ...any) {
	if *modelSeed != 0 {
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

func (h *history) someone() *replica { return h.replicas[h.pick(len(h.replicas))] }

// run plays one history and returns what it found wrong.
func (h *history) run() {
	h.begun = time.Now()
	h.boot()
	h.boot()
	for range 60 + h.pick(60) {
		if h.failed != "" {
			return
		}
		h.look()
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
			if st := h.sim.reign.state; st != nil {
				h.old = append(h.old, st.clone())
			}
		case n < 95:
			h.fault()
			h.forget()
		default:
			h.step(h.someone())
		}
	}
	h.heal()
}

// heal ends all faults and waits until nothing is under way: then no session
// that ended may be accepted by anybody.
func (h *history) heal() {
	h.say("all faults end")
	for _, r := range h.replicas {
		r.link.to, r.link.loss = h.sim.reign, 0
	}
	h.shaken = time.Now()
	for range 15 {
		time.Sleep(readEvery)
		for _, r := range h.replicas {
			h.step(r)
		}
	}
	h.forget()
	for _, r := range h.replicas {
		if age := r.l.view.Load().age(time.Now()); age > modelS && h.weak == "" {
			h.fail("%s is not in step: its view is %v old", r.name, age)
		}
	}
	for _, t := range slices.Clone(h.tokens) {
		for _, r := range h.replicas {
			if h.failed == "" {
				q := t.q
				q.tagged = false
				if time.Now().Add(r.wall).After(t.exp) {
					continue
				}
				d := r.l.Decide(&q)
				if d.Outcome == Ask {
					d = r.l.Confirm(context.Background(), &q)
				}
				h.say("%s decides %d (ep %d chk %d ln %d) at last: %v %v", r.name, t.s.id, q.Epoch, q.Checked, q.Term, d.Outcome, d.Reason)
				h.judge(r, t, d)
			}
		}
	}
}

func playModel(t *testing.T, seed uint64, weak weakness) *history {
	h := &history{t: t, seed: seed, weak: weak, r: rand.New(rand.NewPCG(seed, 1))}
	bubble.Test(t, func(t *testing.T) {
		h.t = t
		h.sim = newSim(h.r, weak)
		h.run()
	})
	return h
}

func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		h := playModel(t, *modelSeed, "")
		t.Log("\n" + strings.Join(h.trace, "\n"))
		if h.failed != "" {
			t.Error(h.failed)
		}
		return
	}
	n := *modelHistories
	var next, played, failed, accepts, refusals, lost atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				seed := next.Add(1)
				if seed > int64(n) || failed.Load() >= 10 {
					return
				}
				h := playModel(t, uint64(seed), "")
				played.Add(1)
				accepts.Add(int64(h.accepts))
				refusals.Add(int64(h.refusals))
				lost.Add(int64(h.lostRefs))
				if h.failed != "" {
					failed.Add(1)
					t.Errorf("seed %d: %s\nsee it again: go test ./revocation -run TestModel$ -v -model.seed=%d", seed, h.failed, seed)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d histories: %d accepted, %d refused, of these %d because the list was lost", played.Load(), accepts.Load(), refusals.Load(), lost.Load())
	if accepts.Load() < played.Load() || refusals.Load() < played.Load()/2 {
		t.Error("the histories hardly decide anything: the model proves nothing")
	}
}
