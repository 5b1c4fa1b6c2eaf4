package revocation_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
)

// scripted is a store that misbehaves as a test says. A nil function passes the
// call on.
type scripted struct {
	revocation.Store

	mu       sync.Mutex // owns everything below
	read     func(context.Context, revocation.Cursor) (revocation.Page, error)
	write    func(context.Context, revocation.Batch) (revocation.Written, error)
	confirm  func(context.Context, revocation.Question) (revocation.Answer, error)
	create   func(context.Context, revocation.Founding) (revocation.Head, error)
	confirms int
	writes   []revocation.Batch
}

func script() *scripted { return &scripted{Store: revocation.NewMemory()} }

func (s *scripted) set(f func(*scripted)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// silence makes the store answer nothing at all; speak ends it, and every other
// misbehaviour.
func (s *scripted) silence() {
	s.set(func(s *scripted) {
		s.silenceReads()
		s.write = func(context.Context, revocation.Batch) (revocation.Written, error) {
			return revocation.Written{}, errSilent
		}
		s.confirm = func(context.Context, revocation.Question) (revocation.Answer, error) {
			return revocation.Answer{}, errSilent
		}
		s.create = func(context.Context, revocation.Founding) (revocation.Head, error) {
			return revocation.Head{}, errSilent
		}
	})
}

// silenceReads makes the list stale: nothing new comes, questions are answered.
func (s *scripted) silenceReads() {
	s.read = func(context.Context, revocation.Cursor) (revocation.Page, error) {
		return revocation.Page{}, errSilent
	}
}

func (s *scripted) speak() {
	s.set(func(s *scripted) { s.read, s.write, s.confirm, s.create = nil, nil, nil, nil })
}

// flush makes the store forget everything, as FLUSHALL does.
func (s *scripted) flush() { s.set(func(s *scripted) { s.Store = revocation.NewMemory() }) }

func (s *scripted) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.confirms
}

func (s *scripted) written() []revocation.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]revocation.Batch(nil), s.writes...)
}

func (s *scripted) Read(ctx context.Context, c revocation.Cursor) (revocation.Page, error) {
	s.mu.Lock()
	f, store := s.read, s.Store
	s.mu.Unlock()
	if f != nil {
		return f(ctx, c)
	}
	return store.Read(ctx, c)
}

func (s *scripted) Write(ctx context.Context, b revocation.Batch) (revocation.Written, error) {
	s.mu.Lock()
	f, store := s.write, s.Store
	s.writes = append(s.writes, b)
	s.mu.Unlock()
	if f != nil {
		return f(ctx, b)
	}
	return store.Write(ctx, b)
}

func (s *scripted) Confirm(ctx context.Context, q revocation.Question) (revocation.Answer, error) {
	s.mu.Lock()
	f, store := s.confirm, s.Store
	s.confirms++
	s.mu.Unlock()
	if f != nil {
		return f(ctx, q)
	}
	return store.Confirm(ctx, q)
}

func (s *scripted) Create(ctx context.Context, f revocation.Founding) (revocation.Head, error) {
	s.mu.Lock()
	g, store := s.create, s.Store
	s.mu.Unlock()
	if g != nil {
		return g(ctx, f)
	}
	return store.Create(ctx, f)
}

func openWith(t *testing.T, s revocation.Store, c revocation.Config) *revocation.List {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	l, err := revocation.Open(t.Context(), s, secrets(1), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// forged writes entries to the list in s as nobody with the list key would.
func forged(t *testing.T, s revocation.Store, a ...revocation.Assertion) {
	t.Helper()
	h, err := s.Create(t.Context(), revocation.Founding{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), revocation.Batch{List: h.Genesis, Assertions: a}); err != nil {
		t.Fatal(err)
	}
}

func wantVerdict(t *testing.T, what string, v revocation.Verdict, o revocation.Outcome, r revocation.Reason) {
	t.Helper()
	if v.Outcome != o || v.Reason != r {
		t.Errorf("%s: %v %v, want %v %v", what, v.Outcome, v.Reason, o, r)
	}
}

func revoke(t *testing.T, l *revocation.List, target revocation.Target) revocation.Receipt {
	t.Helper()
	r, err := l.Revoke(t.Context(), target, revocation.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	within = 2 * time.Second
	grace  = 30 * time.Minute
)
