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
	devices.Store

	mu   sync.Mutex // owns fail
	fail func(ctx context.Context, call string) error
}

// NewFaulty returns a Faulty in front of s.
func NewFaulty(s devices.Store) *Faulty { return &Faulty{Store: s} }

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (f *Faulty) Format(s fmt.State, _ rune) { io.WriteString(s, "devicestest.Faulty") }

// Fail sets a function that is asked before each call, "put", "list" or "delete": its error is that of
// the call. Nil: all goes well.
func (f *Faulty) Fail(with func(ctx context.Context, call string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = with
}

func (f *Faulty) ask(ctx context.Context, call string) error {
	f.mu.Lock()
	fail := f.fail
	f.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(ctx, call)
}

// Put implements [devices.Store].
func (f *Faulty) Put(ctx context.Context, owner string, d devices.Device, previous string, max int) ([]string, error) {
	if err := f.ask(ctx, "put"); err != nil {
		return nil, err
	}
	return f.Store.Put(ctx, owner, d, previous, max)
}

// List implements [devices.Store].
func (f *Faulty) List(ctx context.Context, owner string) ([]devices.Device, error) {
	if err := f.ask(ctx, "list"); err != nil {
		return nil, err
	}
	return f.Store.List(ctx, owner)
}

// Delete implements [devices.Store].
func (f *Faulty) Delete(ctx context.Context, owner string, ids ...string) error {
	if err := f.ask(ctx, "delete"); err != nil {
		return err
	}
	return f.Store.Delete(ctx, owner, ids...)
}
