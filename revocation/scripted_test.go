package revocation_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// scripted is a store that misbehaves as a test says. A nil function passes the
// call on.
type scripted struct {
	revlog.Store

	mu       sync.Mutex // owns everything below
	read     func(context.Context, revlog.Cursor) (revlog.Page, error)
	write    func(context.Context, revlog.Write) (revlog.Written, error)
	confirm  func(context.Context, revlog.Question) (revlog.Answer, error)
	create   func(context.Context, revlog.CreateOptions) (revlog.Head, error)
	confirms int
	writes   []revlog.Write
}

func script() *scripted { return &scripted{Store: revlog.NewMemory()} }

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
		s.write = func(context.Context, revlog.Write) (revlog.Written, error) {
			return revlog.Written{}, errSilent
		}
		s.confirm = func(context.Context, revlog.Question) (revlog.Answer, error) {
			return revlog.Answer{}, errSilent
		}
		s.create = func(context.Context, revlog.CreateOptions) (revlog.Head, error) {
			return revlog.Head{}, errSilent
		}
	})
}

// silenceReads makes the list stale: nothing new comes, questions are answered.
func (s *scripted) silenceReads() {
	s.read = func(context.Context, revlog.Cursor) (revlog.Page, error) {
		return revlog.Page{}, errSilent
	}
}

func (s *scripted) speak() {
	s.set(func(s *scripted) { s.read, s.write, s.confirm, s.create = nil, nil, nil, nil })
}

// flush makes the store forget everything, as FLUSHALL does.
func (s *scripted) flush() { s.set(func(s *scripted) { s.Store = revlog.NewMemory() }) }

func (s *scripted) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.confirms
}

func (s *scripted) written() []revlog.Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]revlog.Write(nil), s.writes...)
}

func (s *scripted) Read(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
	s.mu.Lock()
	f, store := s.read, s.Store
	s.mu.Unlock()
	if f != nil {
		return f(ctx, c)
	}
	return store.Read(ctx, c)
}

func (s *scripted) Write(ctx context.Context, b revlog.Write) (revlog.Written, error) {
	s.mu.Lock()
	f, store := s.write, s.Store
	s.writes = append(s.writes, b)
	s.mu.Unlock()
	if f != nil {
		return f(ctx, b)
	}
	return store.Write(ctx, b)
}

func (s *scripted) Confirm(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
	s.mu.Lock()
	f, store := s.confirm, s.Store
	s.confirms++
	s.mu.Unlock()
	if f != nil {
		return f(ctx, q)
	}
	return store.Confirm(ctx, q)
}

func (s *scripted) Create(ctx context.Context, f revlog.CreateOptions) (revlog.Head, error) {
	s.mu.Lock()
	g, store := s.create, s.Store
	s.mu.Unlock()
	if g != nil {
		return g(ctx, f)
	}
	return store.Create(ctx, f)
}

func (s *scripted) Turn(ctx context.Context, holder string, keep time.Duration) (bool, error) {
	s.mu.Lock()
	store := s.Store
	s.mu.Unlock()
	return store.Turn(ctx, holder, keep)
}

func openWith(t *testing.T, s revlog.Store, c revocation.Config) *revocation.List {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	l, err := revocation.Open(t.Context(), s, revlogtest.Secrets(1), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// forged writes entries to the list in s as nobody with the list key would.
func forged(t *testing.T, s revlog.Store, a ...revlog.Assertion) {
	t.Helper()
	h, err := s.Create(t.Context(), revlog.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), revlog.Append{List: h.ID, Assertions: a}); err != nil {
		t.Fatal(err)
	}
}

func wantVerdict(t *testing.T, what string, v replica.Verdict, o replica.Outcome, r replica.Reason) {
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
