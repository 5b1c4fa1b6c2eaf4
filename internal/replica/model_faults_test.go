package replica

import (
	"context"
	"errors"
	"fmt"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"log/slog"
	"slices"
	"time"
)

// boot starts a replica, and gives up if the store is silent.
func (h *history) boot() {
	idle := []time.Duration{20 * time.Minute, 2 * time.Hour, 6 * time.Hour}[h.pick(3)]
	r := &replica{
		name: fmt.Sprintf("r%d", len(h.replicas)), idle: idle,
		link: &link{sim: h.sim, to: h.sim.reign, got: map[revlog.Key]int64{}},
		wall: []time.Duration{0, 0, 0, time.Hour, -time.Hour}[h.pick(5)],
	}
	l, err := newList(r.link, modelSecrets{}, Config{MaxIdle: idle, Within: modelS, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.t.Fatal(err)
	}
	r.l = l
	if err := l.boot(context.Background(), time.Now()); err != nil {
		h.say("%s cannot boot: %v", r.name, err)
		return
	}
	h.say("%s boots, idle %v, clock %v", r.name, idle, r.wall)
	h.replicas = append(h.replicas, r)
}

// step lets r read, as its loop would.
func (h *history) step(r *replica) {
	switch h.weak {
	case "R10":
		h.stepDeaf(r)
	case "R11":
		h.stepCareless(r)
	default:
		r.l.step(context.Background(), time.Now())
	}
}

// stepDeaf reads on without looking whether it is still the same log: R10 off.
func (h *history) stepDeaf(r *replica) {
	l, now := r.l, time.Now()
	v := l.view.Load()
	p, err := l.fetch(context.Background(), v.head.ID, v.cursor(), false)
	if err != nil {
		l.step(context.Background(), now) // the rest of the rules
		return
	}
	if len(p.Entries) > 0 && p.Entries[0].Position == v.last {
		p.Entries = p.Entries[1:]
	}
	l.silent.Store(false)
	n := l.advance(v, p, p.Entries, now)
	if len(p.Entries) == 0 {
		n.last = revlog.Position{MS: 0, N: p.Head.N}
	}
	l.publish(n)
	l.flush(context.Background())
}

// stepCareless takes another list for the one it knows: R11 off.
func (h *history) stepCareless(r *replica) {
	l, now := r.l, time.Now()
	v := l.view.Load()
	_, err := l.fetch(context.Background(), v.head.ID, v.cursor(), false)
	if !errors.Is(err, revlog.ErrLost) && !errors.Is(err, revlog.ErrOtherList) {
		l.step(context.Background(), now)
		return
	}
	head, err := l.create(context.Background())
	if err != nil {
		return
	}
	n, _, err := l.begin(context.Background(), head, 0, now)
	if err != nil {
		return
	}
	w := *v.now
	w.to = n.m.MS
	n.now = w.add(n.now.ring, n.m.MS, head.Retain())
	n.head.Born = 0
	l.publish(n)
}

// fault does something to the store, a link or a replica.
func (h *history) fault() {
	s := h.sim
	switch h.pick(14) {
	case 0: // FLUSHALL
		h.say("FLUSHALL")
		s.reign.state = nil
		s.upset = time.Now()
	case 1: // failover that loses a tail, to a node whose clock may be off
		h.failover(false)
	case 2: // the same, and the old primary goes on serving whom it serves
		h.failover(true)
	case 3: // restart from an old snapshot
		if len(h.old) > 0 {
			h.say("restart from a snapshot")
			state := h.old[h.pick(len(h.old))]
			old := s.reign
			s.reign = s.newNode(state, s.reign.offset)
			h.reroute(old)
			s.upset = time.Now()
		}
	case 4: // the clock of the store is set
		s.reign.offset = []time.Duration{0, time.Hour, 5 * time.Hour, -time.Hour, 3 * time.Second, -3 * time.Second}[h.pick(6)]
		h.clocks = true
		h.shaken = time.Now()
		h.say("the store's clock is off by %v", s.reign.offset)
	case 5, 6: // a replica cannot reach the store
		r := h.someone()
		r.link.to = nil
		h.say("%s is cut off", r.name)
	case 7, 8, 9: // and can again
		r := h.someone()
		r.link.to, r.link.loss = s.reign, 0
		h.shaken = time.Now()
		h.say("%s reaches the store", r.name)
	case 10: // answers get lost
		r := h.someone()
		r.link.loss = 30
		h.say("%s loses answers", r.name)
	case 11, 12: // a replica boots
		if len(h.replicas) < 6 {
			h.boot()
		}
	case 13: // a replica is gone, and with it what only it knew
		if len(h.replicas) > 2 {
			i := h.pick(len(h.replicas))
			h.say("%s dies", h.replicas[i].name)
			h.replicas = slices.Delete(h.replicas, i, i+1)
			h.forget()
		}
	}
}

func (h *history) failover(split bool) {
	s := h.sim
	state := s.reign.state.clone()
	if state != nil && len(state.log) > 0 && h.pick(2) == 0 && len(h.old) > 0 {
		// The tail is what came since some moment of the last seconds.
		if last := h.old[len(h.old)-1]; last.head.ID == state.head.ID {
			state = last
		}
	}
	old := s.reign
	old.deposed = time.Now()
	s.reign = s.newNode(state, []time.Duration{0, 0, -500 * time.Millisecond, time.Second}[h.pick(4)])
	s.upset = time.Now()
	h.say("failover, split %v", split)
	h.split = h.split || split
	if !split {
		h.reroute(old)
		return
	}
	for _, r := range h.replicas {
		if r.link.to == old && h.pick(2) == 0 {
			r.link.to = s.reign
		}
	}
}

func (h *history) reroute(from *node) {
	for _, r := range h.replicas {
		if r.link.to == from {
			r.link.to = h.sim.reign
		}
	}
}
