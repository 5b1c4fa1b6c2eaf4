package revocation_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// scripted is a Faulty with methods for the faults of these tests.
type scripted struct{ *revlogtest.Faulty }

func script() scripted { return scriptedOver(revlog.NewMemory()) }

func scriptedOver(s revlog.Store) scripted { return scripted{revlogtest.NewFaulty(s)} }

// memoryOf returns a store that holds st.
func memoryOf(st revlog.State) *revlog.Memory {
	return revlog.Restore(st, func(revlog.Change) error { return nil })
}

// silence makes every call fail, except Turn. Recover ends this and every other fault.
func (s scripted) silence() {
	s.Hook(func(h *revlogtest.Hooks) {
		silenceReads(h)
		h.Write = func(context.Context, revlog.Write) (revlog.Written, error) {
			return revlog.Written{}, errSilent
		}
		h.Confirm = func(context.Context, revlog.Question) (revlog.Answer, error) {
			return revlog.Answer{}, errSilent
		}
		h.Create = func(context.Context, revlog.CreateOptions) (revlog.Head, error) {
			return revlog.Head{}, errSilent
		}
		h.Replicas = func(context.Context) ([]revlog.Replica, error) { return nil, errSilent }
	})
}

// silenceReads makes the list stale: reads fail, but questions are answered.
func silenceReads(h *revlogtest.Hooks) {
	h.Read = func(context.Context, revlog.Cursor) (revlog.Page, error) {
		return revlog.Page{}, errSilent
	}
}

// flush makes the store forget everything, as FLUSHALL does.
func (s scripted) flush() { s.Replace(revlog.NewMemory()) }

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

// forged writes entries with wrong proofs to the list in s.
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
