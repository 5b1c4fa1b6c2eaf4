package devicestest

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/wafer-sessions/wafer/httpmw/devices"
)

// Faulty is a store that a test can make fail.
type Faulty struct {
	mu    sync.Mutex // owns both below
	store devices.Store
	fail  func(ctx context.Context, call string) error
}

var _ devices.Store = (*Faulty)(nil)

// NewFaulty returns a Faulty in front of s.
func NewFaulty(s devices.Store) *Faulty { return &Faulty{store: s} }

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (f *Faulty) Format(s fmt.State, _ rune) { io.WriteString(s, "devicestest.Faulty") }

// Fail sets a function that is asked before each call, "put", "list" or "delete": its error is that of
// the call. Nil: all goes well.
func (f *Faulty) Fail(with func(ctx context.Context, call string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = with
}

// Replace passes calls on to s from now on, and returns the store of before. Use a new
// [devices.Memory] for a store that lost its data.
func (f *Faulty) Replace(s devices.Store) (before devices.Store) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, f.store = f.store, s
	return before
}

// ask returns the store that answers a call, or the error of the call.
func (f *Faulty) ask(ctx context.Context, call string) (devices.Store, error) {
	f.mu.Lock()
	store, fail := f.store, f.fail
	f.mu.Unlock()
	if fail == nil {
		return store, nil
	}
	return store, fail(ctx, call)
}

// Put implements [devices.Store].
func (f *Faulty) Put(ctx context.Context, owner string, d devices.Device, previous string, max int) ([]string, error) {
	s, err := f.ask(ctx, "put")
	if err != nil {
		return nil, err
	}
	return s.Put(ctx, owner, d, previous, max)
}

// List implements [devices.Store].
func (f *Faulty) List(ctx context.Context, owner string) ([]devices.Device, error) {
	s, err := f.ask(ctx, "list")
	if err != nil {
		return nil, err
	}
	return s.List(ctx, owner)
}

// Delete implements [devices.Store].
func (f *Faulty) Delete(ctx context.Context, owner string, ids ...string) error {
	s, err := f.ask(ctx, "delete")
	if err != nil {
		return err
	}
	return s.Delete(ctx, owner, ids...)
}
