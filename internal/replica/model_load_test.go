package replica_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	. "github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// The model under load: many replicas that run by themselves, a log with many recent
// entries, and a store whose every step takes its time. What one replica may do at
// leisure, all of them do at once after a loss, and the store does it whether or not
// anybody still waits for the answer.

const (
	loadReplicas = 24
	loadEntries  = 30_000
	loadMargin   = 300 * time.Millisecond // of a reader's turn, and of the question that follows
)

// What a step takes, as measured on Redis 7.
const (
	costOfRead     = 30 * time.Microsecond
	costOfEntry    = 5 * time.Microsecond // for each replica that reads it
	costOfConfirm  = 20 * time.Microsecond
	costOfWrite    = 40 * time.Microsecond
	costOfRevoking = 10 * time.Microsecond
)

// A queue does one thing at a time, in order, like a Redis.
type queue struct {
	jobs chan job
	quit chan struct{}
	mu   sync.Mutex // owns all that jobs touch, and worked
	// worked is how long it was busy.
	worked time.Duration
}

type job struct {
	do   func() (cost time.Duration)
	done chan struct{}
}

func newQueue() *queue { return &queue{jobs: make(chan job, 1<<16), quit: make(chan struct{})} }

// run does the jobs until quit is closed.
func (q *queue) run() {
	for {
		select {
		case <-q.quit:
			return
		case j := <-q.jobs:
			q.mu.Lock()
			cost := j.do()
			q.worked += cost
			q.mu.Unlock()
			time.Sleep(cost)
			close(j.done)
		}
	}
}

// put has f done, and returns an error if ctx ends before that: f is done all the same.
func (q *queue) put(ctx context.Context, f func() time.Duration) error {
	j := job{f, make(chan struct{})}
	q.jobs <- j
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A slow store is a link with a queue before it.
type slow struct {
	*link
	queue *queue
}

func (s slow) Create(ctx context.Context, f revlog.CreateOptions) (h revlog.Head, err error) {
	if late := s.queue.put(ctx, func() time.Duration {
		h, err = s.link.Create(background, f)
		return costOfWrite
	}); late != nil {
		return revlog.Head{}, late
	}
	return h, err
}

func (s slow) Read(ctx context.Context, c revlog.Cursor) (p revlog.Page, err error) {
	if late := s.queue.put(ctx, func() time.Duration {
		p, err = s.link.Read(background, c)
		return costOfRead + time.Duration(len(p.Entries))*costOfEntry
	}); late != nil {
		return revlog.Page{}, late
	}
	return p, err
}

func (s slow) Confirm(ctx context.Context, q revlog.Question) (a revlog.Answer, err error) {
	if late := s.queue.put(ctx, func() time.Duration {
		a, err = s.link.Confirm(background, q)
		return costOfConfirm
	}); late != nil {
		return revlog.Answer{}, late
	}
	return a, err
}

func (s slow) Write(ctx context.Context, what revlog.Write) (w revlog.Written, err error) {
	if late := s.queue.put(ctx, func() time.Duration {
		w, err = s.link.Write(background, what)
		return costOfWrite + time.Duration(len(batchOf(what).Assertions))*costOfRevoking
	}); late != nil {
		return revlog.Written{}, late
	}
	return w, err
}

// A crowd is a store under load and those who read it.
type crowd struct {
	t       *testing.T
	r       *rand.Rand
	sim     *sim
	queue   *queue
	links   []*link
	lists   []*Replica
	tokens  []*loadToken
	revoked int // how many sessions were, so far
}

type loadToken struct {
	q     Query
	ended bool      // somebody revoked its session
	acked time.Time // and that was acknowledged; zero: it was not
}

func (c *crowd) join() {
	l := &link{sim: c.sim, to: c.sim.primary, brings: map[revlog.Key]int64{}, slow: map[modelSlowEnd]bool{}}
	list, err := Open(c.t.Context(), slow{l, c.queue}, revlogtest.Secrets(0), Config{Within: modelS, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.links, c.lists = append(c.links, l), append(c.lists, list)
}

func newCrowd(t *testing.T, seed uint64) *crowd {
	c := &crowd{t: t, r: rand.New(rand.NewPCG(seed, 2)), queue: newQueue()}
	c.sim = newSim(c.r, &weakness{})
	go c.queue.run()
	c.join()
	for range loadEntries {
		c.revoke(c.lists[0], sessionID(1<<32+uint64(c.revoked)))
		time.Sleep(8 * time.Minute / loadEntries)
	}
	for len(c.lists) < loadReplicas {
		c.join()
	}
	for i := range 60 {
		l := c.lists[i%len(c.lists)]
		user := l.Tag(revlog.ScopeSubject, fmt.Sprint("user", i))
		start, err := l.Begin(t.Context(), Login{Subject: user})
		if err != nil {
			t.Fatal(err)
		}
		c.tokens = append(c.tokens, &loadToken{q: Query{
			Session: sessionID(uint64(i)), Subject: user, Epoch: start.Epoch, Checked: start.Checked, Term: start.Term,
		}})
	}
	time.Sleep(time.Second)
	return c
}

func (c *crowd) end() {
	for _, l := range c.lists {
		l.Close(c.t.Context())
	}
	close(c.queue.quit)
	time.Sleep(time.Second) // until it has seen that
}

func (c *crowd) revoke(l *Replica, id [16]byte) error {
	c.revoked++
	_, err := l.Revoke(c.t.Context(), Revocation{Scope: revlog.ScopeSession, Tag: l.SessionTag(id)})
	return err
}

// logout ends the session of some token that lives, at some replica.
func (c *crowd) logout() {
	for _, t := range c.tokens {
		if t.ended {
			continue
		}
		t.ended = true
		if c.revoke(c.lists[c.r.IntN(len(c.lists))], t.q.Session) == nil {
			t.acked = time.Now()
		}
		return
	}
}

// watch has every replica decide about every token for so long, ten times a second,
// while a session ends every half second. It returns how many decisions were open.
func (c *crowd) watch(d time.Duration, fault time.Time) (open int) {
	for turn := range int(d / (100 * time.Millisecond)) {
		if turn%5 == 0 {
			c.logout()
		}
		for _, t := range c.tokens {
			for i, l := range c.lists {
				open += c.judge(i, l, t, fault)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return open
}

func (c *crowd) judge(i int, l *Replica, t *loadToken, fault time.Time) (open int) {
	q := t.q
	d := l.Decide(&q)
	if d.Outcome == Ask && c.r.IntN(10) > 0 {
		return 0 // not every one of so many is a request
	}
	if d.Outcome == Ask {
		d = l.Confirm(c.t.Context(), &q)
	}
	since := t.acked
	if fault.After(since) {
		since = fault
	}
	switch {
	case d.Outcome == Undecided:
		return 1
	case d.Outcome == Accept && !t.acked.IsZero() && time.Since(since) > modelS+loadMargin:
		c.t.Errorf("r%d accepts %x %v after its end was acknowledged, %v after the fault", i, t.q.Session[8:], time.Since(t.acked), time.Since(fault))
	case d.Outcome == Refuse && !t.ended:
		c.t.Errorf("r%d refuses %x (%v), which lives, %v after the fault", i, t.q.Session[8:], d.Reason, time.Since(fault))
	}
	if d.Renew {
		t.q.Checked, t.q.Term = d.Checked, d.Term
	}
	return 0
}

// loses makes a copy the primary that lacks the last n entries.
func (c *crowd) loses(n int) {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	st, _ := c.sim.primary.save()
	gone := st.Entries[len(st.Entries)-n:]
	st.Entries = st.Entries[:len(st.Entries)-n]
	st.Exact = slices.DeleteFunc(st.Exact, func(e revlog.Entry) bool {
		return slices.ContainsFunc(gone, func(g revlog.Entry) bool { return g.Tag == e.Tag })
	})
	last := st.Entries[len(st.Entries)-1]
	st.Head.N, st.Head.MS, st.Head.Chain = last.Position.N, last.Position.MS, last.Chain
	st.beatMS = last.Position.MS
	c.sim.primary = c.sim.newServer(st, 0)
	for _, l := range c.links {
		l.to = c.sim.primary
	}
}

func (c *crowd) emptied() {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	c.sim.primary.flush(false)
}

func TestModelUnderLoad(t *testing.T) {
	if *modelHistories < 10_000 {
		t.Skip("24 replicas and 30,000 entries: make test runs them, with -model.histories=10000")
	}
	for _, tt := range []struct {
		name  string
		fault func(*crowd)
		work  time.Duration // of the store, for 30 s after the fault
	}{
		{"nothing", func(*crowd) {}, time.Second},
		{"a failover loses one entry", func(c *crowd) { c.loses(1) }, 2 * time.Second},
		{"a failover loses 500 entries", func(c *crowd) { c.loses(500) }, 2 * time.Second},
		{"the store is emptied", (*crowd).emptied, 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				c := newCrowd(t, 1)
				defer c.end()
				c.watch(2*time.Second, time.Time{})
				for range 3 { // these are the newest
					c.logout()
				}
				time.Sleep(250 * time.Millisecond) // and everybody reads them
				before := c.queue.worked
				tt.fault(c)
				open := c.watch(30*time.Second, time.Now())
				worked := c.queue.worked - before
				t.Logf("the store worked for %v; %d decisions were open", worked, open)
				if worked > tt.work {
					t.Errorf("the store worked for %v", worked)
				}
			})
		})
	}
}
