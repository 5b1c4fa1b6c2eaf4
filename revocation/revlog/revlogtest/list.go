package revlogtest

import (
	"errors"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func (s *suite) noList(t *testing.T) {
	ctx := t.Context()
	_, err := s.Read(ctx, revlog.Cursor{List: s.list, Limit: 1})
	if !errors.Is(err, revlog.ErrLost) {
		t.Errorf("Read = %v", err)
	}
	if _, err := s.Write(ctx, revlog.Append{List: s.list, Assertions: []revlog.Assertion{session(1)}}); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("Write = %v", err)
	}
	if _, err := s.Confirm(ctx, revlog.Question{List: s.list, Session: tag(1)}); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("Confirm = %v", err)
	}
}

func (s *suite) createOnce(t *testing.T) {
	first := s.create(t)
	if first.ID != s.list || first.Check != [16]byte{2} || first.Layout != revlog.Layout ||
		first.N != 0 || first.MS != first.Born+1 || first.Retain() != retain || first.Term() == 0 {
		t.Errorf("head of a new list: %+v", first)
	}
	if off := time.Since(time.UnixMilli(first.Born)).Abs(); off > time.Minute {
		t.Errorf("Born is %v from now", off)
	}
	other := s.options()
	other.ID, other.Check = revlog.ListID{9}, [16]byte{9}
	again, err := s.Create(t.Context(), other)
	if err != nil || again.ID != s.list || again.Check != first.Check || again.Born != first.Born {
		t.Errorf("second Create = %+v, %v", again, err)
	}
	late := time.Now().Add(time.Hour).UnixMilli()
	f := s.options()
	f.Floor = late
	if h, err := s.Create(t.Context(), f); err != nil || h.Born != first.Born {
		t.Errorf("second Create with a floor = %+v, %v", h, err)
	}
}

func (s *suite) otherList(t *testing.T) {
	s.create(t)
	ctx, other := t.Context(), revlog.ListID{9}
	if _, err := s.Read(ctx, revlog.Cursor{List: other, Limit: 1}); !errors.Is(err, revlog.ErrOtherList) {
		t.Errorf("Read = %v", err)
	}
	if _, err := s.Confirm(ctx, revlog.Question{List: other}); !errors.Is(err, revlog.ErrOtherList) {
		t.Errorf("Confirm = %v", err)
	}
	_, err := s.Write(ctx, revlog.Append{List: other, Assertions: []revlog.Assertion{session(1)}})
	if !errors.Is(err, revlog.ErrOtherList) {
		t.Errorf("Write = %v", err)
	}
	if p := s.read(t, revlog.Cursor{}); p.Head.N != 0 || len(p.Entries) != 0 {
		t.Errorf("a refused write left %+v in the list", p)
	}
}

func (s *suite) nameless(t *testing.T) {
	if _, err := s.Read(t.Context(), revlog.Cursor{Limit: 1}); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("Read without a list = %v", err)
	}
	s.create(t)
	w := s.write(t, session(1))
	p, err := s.Read(t.Context(), revlog.Cursor{Limit: 10})
	if err != nil || p.Head.ID != s.list || len(p.Entries) != 1 || p.Entries[0].Position != w.Results[0].Position {
		t.Errorf("Read that names no list = %+v, %v", p, err)
	}
	if _, err := s.Confirm(t.Context(), revlog.Question{}); !errors.Is(err, revlog.ErrOtherList) {
		t.Errorf("Confirm that names no list = %v", err)
	}
	if _, err := s.Write(t.Context(), revlog.Append{Assertions: []revlog.Assertion{session(2)}}); !errors.Is(err, revlog.ErrOtherList) {
		t.Errorf("Write that names no list = %v", err)
	}
}
