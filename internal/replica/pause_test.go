package replica

import (
	"log/slog"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func TestPausesAreCounted(t *testing.T) {
	l, err := newList(revlog.NewMemory(), revlogtest.Secrets(0), Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, late := range []time.Duration{-time.Hour, 0, l.Within(), l.Within() + time.Millisecond, time.Hour} {
		l.notePause(late)
	}
	if n := l.Stats().Pauses; n != 2 {
		t.Errorf("%d pauses counted, want those longer than S", n)
	}
}
