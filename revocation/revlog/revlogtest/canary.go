package revlogtest

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// clock is for stores whose clock is that of the test. A store may not know its clock.
func (s *suite) clock(t *testing.T) {
	s.create(t)
	last := s.write(t, session(1)).Results[0].Position
	for range 3 { // not every store reads in the same way each time
		before := time.Now()
		p := s.read(t, revlog.Cursor{From: last})
		took := time.Since(before)
		early, late := before.UnixMilli()-1, before.Add(2*took).UnixMilli()+1
		if p.Clock != 0 && (p.Clock < early || p.Clock > late) {
			t.Errorf("Clock = %d, want %d to %d", p.Clock, early, late)
		}
	}
}

// canary writes canaries as replicas do: the same watermark again is no other entry.
func (s *suite) canary(t *testing.T) {
	s.create(t)
	sing := func(w int64) revlog.Result {
		a := revoke(revlog.ScopeSubject, 1, w)
		a.Params, a.Limit = revlog.CanaryParams, w
		return s.write(t, a).Results[0]
	}
	for _, tt := range []struct {
		w       int64
		changed bool
	}{{10_000, true}, {10_000, false}, {20_000, true}, {10_000, false}} {
		if r := sing(tt.w); r.Changed != tt.changed {
			t.Errorf("the canary of %d changed something: %v", tt.w, r.Changed)
		}
	}
	all := s.read(t, revlog.Cursor{}).Entries
	if len(all) != 2 || !all[0].Canary() || !all[1].Canary() || all[1].W != 20_000 || all[1].Limit != 20_000 || all[1].MAC != [8]byte{1, 1} {
		t.Errorf("the log holds %+v", all)
	}
}

// roll does nothing with a store that keeps no registry.
func (s *suite) roll(t *testing.T) {
	r, ok := s.Store.(revlog.Registrar)
	if !ok {
		t.Skip("this store keeps no registry")
	}
	if err := r.CallRoll(t.Context(), s.list); err == nil {
		t.Error("the roll was called before there was a list")
	}
	s.create(t)
	last := s.write(t, session(1)).Results[0].Position
	before := s.read(t, revlog.Cursor{From: last}).Roll
	if again := s.read(t, revlog.Cursor{From: last}).Roll; again != before {
		t.Errorf("Roll went from %d to %d without a call", before, again)
	}
	if err := r.CallRoll(t.Context(), s.list); err != nil {
		t.Fatal(err)
	}
	for _, from := range []revlog.Position{last, {}} { // as by a replica, and by a tool
		if p := s.read(t, revlog.Cursor{From: from}); p.Roll == before || p.Head.N != last.N {
			t.Errorf("after a call, Roll = %d as before, or the log has changed: %v", p.Roll, p.Head.Position())
		}
	}
	if err := r.CallRoll(t.Context(), revlog.ListID{9}); err == nil {
		t.Error("the roll was called of another list")
	}
}
