package revlog

import (
	"context"
	"time"
)

// A turn says who may write back, and until when.
type turn struct {
	holder string
	until  time.Time
}

// Turn implements [Store].
func (m *Memory) Turn(_ context.Context, holder string, keep time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.turn.holder != holder && time.Now().Before(m.turn.until) {
		return false, nil
	}
	m.turn = turn{holder, time.Now().Add(keep)}
	return true, nil
}
