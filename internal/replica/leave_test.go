package replica

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A Revoke that was called before Close, but gets to the outbox when that was sent for the last time, does
// not say that it is sent later.
func TestRevokeThatComesTooLateForTheOutbox(t *testing.T) {
	store := revlogtest.NewFaulty(revlog.NewMemory())
	l, err := Open(t.Context(), store, revlogtest.Secrets(0), Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	store.Fail()
	l.closed.Store(false) // as Revoke found it
	if _, err := l.Revoke(t.Context(), Revocation{Scope: revlog.ScopeSubject, Tag: revlog.Tag{1}}); !errors.Is(err, ErrClosed) || l.outbox.n.Load() != 0 {
		t.Errorf("Revoke = %v, and %d wait", err, l.outbox.n.Load())
	}
}
