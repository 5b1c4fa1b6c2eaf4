package revlogtest

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// repair carries out r and returns the head after it.
func (s *suite) repair(t *testing.T, r revlog.Repair) revlog.Head {
	t.Helper()
	r.List = s.list
	w, err := s.Write(t.Context(), r)
	if err != nil {
		t.Fatalf("Write = %+v, %v", w, err)
	}
	return w.Head
}

func (s *suite) raise(t *testing.T) {
	h := s.create(t)
	if got := s.repair(t, revlog.Repair{Known: h.Born - 5, KnownTerm: 5, Retain: time.Minute}); got.Born != h.Born || got.Retain() != retain {
		t.Errorf("lower values changed the head: %+v", got)
	}
	// The list lacks something. Every check up to now is in doubt, and the next ms begins.
	known := h.Born + 1
	got := s.repair(t, revlog.Repair{Known: known, KnownTerm: 5, Floor: h.MS + 60_000, Retain: 2 * retain})
	if got.Known != known || got.KnownTerm != 5 || got.Born < h.MS+60_000 || got.MS <= got.Born || got.Retain() != 2*retain || got.RetainAt(h.MS-1) != retain {
		t.Errorf("after a loss: %+v", got)
	}
	if again := s.repair(t, revlog.Repair{Known: known + 1000, KnownTerm: 5}); again.Born != got.Born || again.Known != known+1000 || again.KnownTerm != 5 {
		t.Errorf("a higher Known of the same term must change Known alone: %+v", again)
	}
	if again := s.repair(t, revlog.Repair{Retain: 1}); again.KnownTerm != 5 {
		t.Errorf("a repair without a loss changed KnownTerm: %+v", again)
	}
	if again := s.repair(t, revlog.Repair{Known: known, KnownTerm: 6}); again.Born != got.Born || again.Known != known+1000 || again.KnownTerm != 0 {
		t.Errorf("Known of another term: %+v", again)
	}
	// A replica that had read further than the log time of the store.
	far := got.MS + 120_000
	got = s.repair(t, revlog.Repair{Known: far})
	if got.Known != far || got.Born < far || got.MS <= got.Born {
		t.Errorf("Known ahead of log time: %+v", got)
	}
	if again := s.repair(t, revlog.Repair{Born: got.Born - 1}); again.Born != got.Born {
		t.Errorf("a lower Born changed the head: %+v", again)
	}
	born := got.Born + 1000
	if got = s.repair(t, revlog.Repair{Born: born}); got.Born != born || got.MS <= born || got.Known != far {
		t.Errorf("Born alone: %+v", got)
	}
	if got := s.repair(t, revlog.Repair{Recheck: true}); got.Floor == 0 || got.Floor > got.MS {
		t.Errorf("Recheck: %+v", got)
	}
	if p := s.read(t, revlog.Cursor{}); p.Head.Born != born || p.Head.Retain() != 2*retain || p.Head.Floor == 0 {
		t.Errorf("read back: %+v", p.Head)
	}
}

func (s *suite) turn(t *testing.T) {
	s.create(t)
	for i, step := range []struct {
		holder string
		keep   time.Duration
		want   bool
	}{
		{"one", time.Hour, true},
		{"two", time.Hour, false},
		{"two", 0, false},
		{"one", time.Hour, true},
		{"one", 0, true},
		{"two", time.Millisecond, true},
	} {
		if mine, err := s.Turn(t.Context(), step.holder, step.keep); err != nil || mine != step.want {
			t.Errorf("step %d: Turn = %v, %v", i, mine, err)
		}
	}
	<-time.After(10 * time.Millisecond)
	if mine, err := s.Turn(t.Context(), "one", 0); err != nil || !mine {
		t.Errorf("after the turn ended: Turn = %v, %v", mine, err)
	}
}
