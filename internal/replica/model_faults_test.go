package replica_test

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	. "github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// boot starts a replica, and gives up if the store is silent.
func (h *history) boot() {
	idle := []time.Duration{20 * time.Minute, 2 * time.Hour, 6 * time.Hour}[h.pick(3)]
	r := &member{
		name: fmt.Sprintf("r%d", len(h.members)), idle: idle, read: map[revlog.Key]int64{}, slow: map[modelSlowEnd]bool{},
		link: &link{sim: h.sim, to: h.sim.primary, brings: map[revlog.Key]int64{}, slow: map[modelSlowEnd]bool{}, old: map[revlog.Tag]revlog.Answer{}},
		wall: []time.Duration{0, 0, 0, time.Hour, -time.Hour}[h.pick(5)],
	}
	began := h.sim.clock
	l, err := OpenByHand(background, r.link, revlogtest.Secrets(0), Config{MaxIdle: idle, Within: modelS, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.say("%s cannot boot: %v", r.name, err)
		return
	}
	r.l = l
	h.turned(r, began)
	if d := idle + l.Grace() + modelS; h.shortest == 0 || d < h.shortest {
		h.shortest = d
	}
	h.say("%s boots, idle %v, clock %v", r.name, idle, r.wall)
	h.members = append(h.members, r)
}

// step lets r read, as its loop would.
func (h *history) step(r *member) {
	began := h.sim.clock
	r.l.Step(background)
	h.turned(r, began)
}

// turned notes what came of a turn of r's reader that began at a moment. What it read
// counts only if nothing went wrong: r may have thrown away the rest.
func (h *history) turned(r *member, began int) {
	n := r.link.to
	ok := !r.link.failed && r.link.ended
	now := turn{from: n, clock: began, at: r.link.asOf}
	if n != nil {
		now.lives, now.term = n.lives, n.head().Term()
	}
	if r.link.ended {
		r.heard = now.at
	}
	switch {
	case !ok:
		r.run = turn{}
	case r.run.from != n || r.run.lives != now.lives || time.Since(r.last.at) > modelS:
		r.run = now
	}
	if ok {
		r.last = now
		for k, w := range r.link.brings {
			r.read[k] = max(r.read[k], w)
		}
		maps.Copy(r.slow, r.link.slow)
	}
	r.link.failed, r.link.ended = false, false
	clear(r.link.brings)
	clear(r.link.slow)
}

func (h *history) advance() {
	d := []time.Duration{
		time.Millisecond, 20 * time.Millisecond, 200 * time.Millisecond, 700 * time.Millisecond, 2 * time.Second,
		5 * time.Second, time.Minute, 4 * time.Minute, 11 * time.Minute, 25 * time.Minute, 3 * time.Hour,
	}
	n := len(d)
	if h.pick(4) > 0 {
		n = 7 // long waits are rare
	}
	wait := d[h.pick(n)]
	h.say("%v pass", wait)
	var reading []*member
	for _, r := range h.members {
		if h.pick(5) > 0 {
			reading = append(reading, r)
		}
	}
	// Long silences are for those who do not read; the rest reads as always, of
	// which the last seconds are enough to see.
	rounds, each := 2, time.Millisecond
	if wait > modelS {
		rounds, each = 8, 400*time.Millisecond
	}
	time.Sleep(max(0, wait-time.Duration(rounds)*each))
	for range rounds {
		for _, r := range reading {
			h.step(r)
		}
		time.Sleep(each)
	}
}

// fault does something to the store, a link or a replica.
func (h *history) fault() {
	h.forge()
	s := h.sim
	switch h.pick(15) {
	case 0:
		h.say("the store is emptied")
		s.primary.flush(s.weak.headStays)
		h.upset = time.Now()
		if h.pick(4) == 0 { // a new machine, whose clock nobody has set yet
			s.primary.offset, h.clocks = -time.Hour, true
			h.say("and its clock is an hour behind")
		}
	case 1: // a failover that loses a tail, to a server whose clock may be off
		h.failover(false)
	case 2: // the same, and the old primary goes on serving whom it serves
		h.failover(true)
	case 3:
		h.snapshot()
	case 4:
		s.primary.offset = []time.Duration{0, time.Hour, 5 * time.Hour, -time.Hour, 3 * time.Second, -3 * time.Second}[h.pick(6)]
		h.clocks = true
		h.say("the store's clock is off by %v", s.primary.offset)
	case 5, 6:
		r := h.someone()
		r.link.to = nil
		h.say("%s is cut off", r.name)
	case 7, 8, 9:
		r := h.someone()
		r.link.to, r.link.loss = s.primary, 0
		h.say("%s reaches the store", r.name)
	case 10:
		r := h.someone()
		r.link.loss = 30
		h.say("%s loses answers", r.name)
	case 11, 12:
		if len(h.members) < 6 {
			h.boot()
		}
	case 14:
		h.back()
	case 13: // a replica is gone, and with it what only it knew
		if len(h.members) > 2 {
			i := h.pick(len(h.members))
			h.say("%s dies", h.members[i].name)
			h.members = slices.Delete(h.members, i, i+1)
		}
	}
	h.track()
}

// back makes the server that was deposed last the only primary again, with the
// replication id and the data that it had.
func (h *history) back() {
	if h.deposed == nil {
		return
	}
	h.say("the primary before is the primary again")
	was := h.sim.primary
	h.sim.primary, h.deposed = h.deposed, nil
	h.sim.primary.deposed = time.Time{}
	h.reroute(was)
	h.upset = time.Now()
	h.split = true // there are two ways that the log went
}

// snapshot puts a snapshot in the place of the primary.
func (h *history) snapshot() {
	if len(h.old) == 0 {
		return
	}
	h.say("restart from a snapshot")
	was := h.sim.primary
	h.sim.primary = h.sim.newServer(h.old[h.pick(len(h.old))], was.offset)
	h.reroute(was)
	h.upset = time.Now()
}

func (h *history) failover(split bool) {
	s := h.sim
	was := s.primary
	state, _ := was.save()
	if len(state.Entries) > 0 && h.pick(2) == 0 && len(h.old) > 0 {
		// The tail is what came since some moment of the last seconds.
		if last := h.old[len(h.old)-1]; last.Head.ID == state.Head.ID {
			state = last
		}
	}
	was.deposed = time.Now()
	h.deposed = was
	s.primary = s.newServer(state, []time.Duration{0, 0, -500 * time.Millisecond, time.Second}[h.pick(4)])
	h.upset = time.Now()
	h.say("failover, split %v", split)
	h.split = h.split || split
	if !split {
		h.reroute(was)
		return
	}
	for _, r := range h.members {
		if r.link.to == was && h.pick(2) == 0 {
			r.link.to = s.primary
		}
	}
}

func (h *history) reroute(from *server) {
	for _, r := range h.members {
		if r.link.to == from {
			r.link.to = h.sim.primary
			r.last, r.run = turn{}, turn{} // also if that is the one before: it was somewhere else in between
		}
	}
}
