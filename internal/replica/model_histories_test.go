package replica_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	. "github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Single histories of the model, each of which once went wrong or might.

// written plays a history that is written down, with two replicas.
func written(t *testing.T, f func(*history)) {
	t.Helper()
	bubble.Test(t, func(t *testing.T) {
		h := &history{t: t, r: rand.New(rand.NewPCG(1, 1)), weak: &weakness{}, counts: map[string]int{}, forgiven: map[string]int{}, begun: time.Now()}
		h.sim = newSim(h.r, h.weak)
		h.sim.changed = h.track
		h.boot()
		h.boot()
		for _, r := range h.members {
			r.wall, r.idle = 0, time.Hour
		}
		f(h)
		if h.failed != "" {
			t.Error(h.failed)
		}
	})
}

// read lets every replica read for a while.
func (h *history) read(d time.Duration) {
	for range d / (200 * time.Millisecond) {
		time.Sleep(200 * time.Millisecond)
		for _, r := range h.members {
			h.step(r)
		}
	}
}

// enters logs a user in, and returns the token.
func (h *history) enters(r *member, user string) *modelToken {
	s := &modelSession{user: user, idle: r.idle, begun: time.Now(), done: time.Now()}
	start, err := r.l.Begin(background, h.identity(r, s))
	if err != nil {
		h.t.Fatal(err)
	}
	h.mint(r, s, start)
	return h.tokens[len(h.tokens)-1]
}

// wants has every replica decide about t.
func (h *history) wants(t *modelToken, want Outcome) {
	h.t.Helper()
	for _, r := range h.members {
		if _, d := h.decide(r, t); d.Outcome != want {
			h.t.Errorf("%s: session %d is decided by %v (%v), want %v", r.name, t.s.id, d.Outcome, d.Reason, want)
		}
	}
}

// The store is away for longer than S, and comes back empty. Every replica lives, so
// nobody is logged out, and who was revoked stays so.
func TestModelStoreComesBackEmpty(t *testing.T) {
	written(t, func(h *history) {
		ada, bob := h.enters(h.members[0], "ada"), h.enters(h.members[1], "bob")
		h.read(time.Minute)
		h.revoke(h.members[0], revlog.ScopeSubject, "bob", Revocation{})
		h.read(time.Minute)
		for _, r := range h.members {
			r.link.to = nil
		}
		h.read(time.Minute)
		h.wants(ada, Accept)
		h.sim.primary.flush(false)
		h.upset = time.Now()
		for _, r := range h.members {
			r.link.to = h.sim.primary
		}
		h.read(modelS)
		for range 3 { // at once, after the repair, and after the minute of waiting
			h.wants(ada, Accept)
			h.wants(bob, Refuse)
			h.read(time.Minute)
		}
	})
}

// An entry of a newer release, in a rolling deploy: this release asks about what was
// checked before it, once, and goes on.
func TestModelEntryOfANewerRelease(t *testing.T) {
	written(t, func(h *history) {
		var tokens []*modelToken
		for i := range 3 {
			tokens = append(tokens, h.enters(h.members[0], fmt.Sprint("user", i)))
		}
		h.read(time.Minute)
		h.newer(h.members[0], tokens[0].s)
		h.read(modelS)
		h.wants(tokens[0], Undecided)
		r := h.members[0]
		for _, t := range tokens[1:] {
			q := t.q
			if d := r.l.Decide(&q); d.Outcome != Ask {
				h.t.Errorf("decided by %v although an entry could not be read, want ask", d.Outcome)
			}
			d := r.l.Confirm(background, &q)
			if d.Outcome != Accept || !d.Renew {
				h.t.Fatalf("confirmed as %+v", d)
			}
			q.Checked, q.Term = d.Checked, d.Term
			h.read(modelS)
			if d := r.l.Decide(&q); d.Outcome != Accept {
				h.t.Errorf("decided by %v after the renewal", d.Outcome)
			}
		}
	})
}

// An old snapshot takes the place of the store while no replica lives. The list cannot
// know what it lacks, but a token that was checked after the snapshot shows that it
// lacks something: it comes from the list's future.
func TestModelSnapshotWithNobodyLeft(t *testing.T) {
	written(t, func(h *history) {
		ada := h.enters(h.members[0], "ada")
		h.read(time.Minute)
		st, _ := h.sim.primary.save()
		h.read(10 * time.Minute)
		late := h.enters(h.members[0], "ada")
		h.members = nil
		h.sim.primary, h.upset = h.sim.newServer(st, -time.Hour), time.Now() // its clock does not hide it
		h.boot()
		h.read(time.Second)
		h.members[0].idle = time.Hour
		h.wants(ada, Accept)
		h.wants(late, Refuse) // list_lost
	})
}

// The store's clock jumps ahead, and only one replica reads that. The store loses the list
// and the jump, and everyone is revoked in the new list. The replica that comes back brings
// the later log time along, by which that revocation is over; but its sessions do not age
// by the jump, so it has to keep what it reads of the new list for as long (R27).
func TestModelEveryoneIsRevokedBehindAJump(t *testing.T) {
	written(t, func(h *history) {
		ahead, other := h.members[0], h.members[1]
		s := &modelSession{idle: ahead.idle, begun: time.Now(), done: time.Now()}
		h.mint(ahead, s, ahead.l.Anonymous())
		visitor := h.tokens[0]
		h.read(modelS)
		other.link.to = nil
		h.sim.primary.offset, h.clocks = h.shortest+10*time.Minute, true // which the store does not forget at once
		h.read(modelS)
		ahead.link.to, other.link.to = nil, h.sim.primary
		h.sim.primary.offset = 0
		h.sim.primary.flush(false)
		h.upset = time.Now()
		h.read(modelS)
		h.revoke(other, revlog.ScopeEveryone, "", Revocation{})
		ahead.link.to = h.sim.primary
		h.read(modelS)
		h.wants(visitor, Refuse)
	})
}

// The store is emptied twice within S, and between that only the replica was there that had
// not read for a while. The other one had read longer in the first list: what that revoked
// ten minutes ago is nowhere any more, and the first replica must not decide by what it had
// read of that list (R17).
func TestModelEmptiedTwiceWithinS(t *testing.T) {
	written(t, func(h *history) {
		behind, other := h.members[0], h.members[1]
		ada := h.enters(other, "ada")
		h.read(modelS)
		behind.link.to = nil
		h.revoke(other, revlog.ScopeSession, fmt.Sprint(ada.s.id), Revocation{})
		h.read(11 * time.Minute)
		for range 2 {
			h.sim.primary.flush(false)
			h.upset = time.Now()
			behind.link.to = h.sim.primary
			for range 3 {
				time.Sleep(100 * time.Millisecond)
				h.step(behind)
			}
		}
		h.read(modelS + 400*time.Millisecond)
		for _, r := range h.members {
			if _, d := h.decide(r, ada); d.Outcome == Accept {
				t.Errorf("%s accepts what another replica had read the end of", r.name)
			}
		}
		h.read(time.Minute)
		h.wants(ada, Refuse)
	})
}

// A list with a long history does not count as short because its window begins late: after
// an entry of a newer release (R12, R17).
func TestModelALongListWithAShortWindow(t *testing.T) {
	written(t, func(h *history) {
		r := h.members[0]
		h.read(modelS)
		h.sim.primary.flush(false)
		h.upset = time.Now()
		h.read(2 * modelS)
		st, _ := h.sim.primary.save()
		ada, bob := h.enters(r, "ada"), h.enters(r, "bob")
		h.read(modelS)
		h.revoke(r, revlog.ScopeSession, fmt.Sprint(ada.s.id), Revocation{})
		h.read(11 * time.Minute)
		h.newer(r, bob.s)
		h.read(modelS / 2)
		was := h.sim.primary
		h.sim.primary, h.upset = h.sim.newServer(st, 0), time.Now()
		h.reroute(was)
		h.read(2 * modelS)
		for _, r := range h.members {
			if _, d := h.decide(r, ada); d.Outcome == Accept {
				t.Errorf("%s accepts what it had read the end of", r.name)
			}
		}
	})
}

// The store's clock jumps ahead, and it forgets that a group was revoked just before eve
// logged in. A replica that knows lets her session into that group no more; one that booted
// since does, and the other one refuses the successor.
func TestModelAGroupIsForgottenBehindAJump(t *testing.T) {
	written(t, func(h *history) {
		knows := h.members[0]
		h.revoke(knows, revlog.ScopeGroup, "tenant", Revocation{})
		eve := h.enters(knows, "eve")
		h.read(time.Minute)
		h.sim.primary.offset, h.clocks = 2*h.shortest+2*time.Hour, true
		h.read(time.Second)
		q, d := h.decide(knows, eve)
		if d.Outcome != Accept || !d.Renew {
			h.t.Fatalf("behind the jump: %+v", d)
		}
		h.revoke(knows, revlog.ScopeSubject, "bob", Revocation{}) // at a write the store forgets
		h.read(time.Second)
		eve.q = *q
		h.boot()
		booted := h.members[2]
		booted.wall, booted.idle = 0, time.Hour
		enters := func(r *member) error {
			s := &modelSession{user: "eve", groups: []string{"tenant"}, idle: r.idle, begun: eve.s.begun, done: eve.s.done, since: eve.s.since, minted: time.Now(), parent: eve.s}
			start, err := r.l.Succeed(background, &eve.q, Succession{Kind: SetGroups, Login: h.identity(r, s)})
			if err == nil {
				h.mint(r, s, start)
			}
			return err
		}
		if err := enters(knows); !errors.Is(err, ErrRevoked) {
			h.t.Errorf("who knows: %v", err)
		}
		if err := enters(booted); err != nil {
			h.t.Errorf("who booted: %v", err)
		}
		h.read(time.Second)
		if _, d := h.decide(knows, h.tokens[len(h.tokens)-1]); d.Outcome != Refuse || h.forgiven["clock set"] != 1 {
			h.t.Errorf("the successor: %+v, forgiven %v", d, h.forgiven)
		}
	})
}

// The store loses its data and the time, and the replica that creates the list anew knows a
// log time from before a session was last checked. The session is revoked at once, which
// seems earlier than that check. The check was in another list, so it says nothing (R16).
func TestModelCheckedInAListThatIsLost(t *testing.T) {
	written(t, func(h *history) {
		here, ahead := h.members[0], h.members[1]
		h.read(modelS)
		here.link.to = nil
		h.read(time.Second)
		bob := h.enters(ahead, "bob")
		h.members = h.members[:1]
		h.sim.primary.offset, h.clocks = -time.Hour, true
		h.sim.primary.flush(false)
		h.upset = time.Now()
		here.link.to = h.sim.primary
		h.read(200 * time.Millisecond)
		h.revoke(here, revlog.ScopeSession, fmt.Sprint(bob.s.id), Revocation{})
		h.read(time.Minute)
		h.wants(bob, Refuse)
	})
}
