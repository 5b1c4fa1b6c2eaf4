package devices

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// A Memory is a [Store] in memory, for one process and for tests.
type Memory struct {
	mu    sync.Mutex                   // owns all below
	rows  map[string]map[string]Device // by owner and id
	swept time.Time                    // when what is over was deleted last, of all owners
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{rows: map[string]map[string]Device{}} }

// sweepEvery is how often rows of owners who do not come back are deleted.
const sweepEvery = 10 * time.Minute

// Put implements [Store].
func (m *Memory) Put(ctx context.Context, owner string, d Device, previous string, max int) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(d.Seen)
	rows := m.rows[owner]
	if rows == nil {
		rows = map[string]Device{}
		m.rows[owner] = rows
	}
	drop(rows, d.Seen)
	if old, ok := rows[previous]; ok {
		d.Name = cmp.Or(d.Name, old.Name)
		delete(rows, previous)
	}
	if old, ok := rows[d.ID]; ok {
		d.Name = cmp.Or(d.Name, old.Name)
		d.Seen, d.Until = later(d.Seen, old.Seen), later(d.Until, old.Until)
	}
	rows[d.ID] = d
	return tooMany(rows, d.ID, max), nil
}

// tooMany returns the ids of the rows that are too many beside id.
func tooMany(rows map[string]Device, id string, max int) (excess []string) {
	if max == 0 {
		return nil
	}
	others := slices.DeleteFunc(slices.Collect(maps.Values(rows)), func(d Device) bool { return d.ID == id })
	slices.SortFunc(others, func(a, b Device) int {
		return cmp.Or(a.Began.Compare(b.Began), a.LoginTime.Compare(b.LoginTime), cmp.Compare(a.ID, b.ID))
	})
	for _, d := range others[:len(others)-min(len(others), max-1)] {
		excess = append(excess, d.ID)
	}
	return excess
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// drop deletes rows that are over.
func drop(rows map[string]Device, now time.Time) {
	maps.DeleteFunc(rows, func(_ string, d Device) bool { return !d.Until.After(now) })
}

func (m *Memory) sweep(now time.Time) {
	if now.Sub(m.swept) < sweepEvery {
		return
	}
	m.swept = now
	for owner, rows := range m.rows {
		if drop(rows, now); len(rows) == 0 {
			delete(m.rows, owner)
		}
	}
}

// List implements [Store].
func (m *Memory) List(ctx context.Context, owner string) ([]Device, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.rows[owner])), nil
}

// Delete implements [Store].
func (m *Memory) Delete(ctx context.Context, owner string, ids ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := m.rows[owner]
	for _, id := range ids {
		delete(rows, id)
	}
	if len(rows) == 0 {
		delete(m.rows, owner)
	}
	return nil
}
