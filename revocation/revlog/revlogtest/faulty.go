package revlogtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// ErrFault is what the calls of a [Faulty] return after [Faulty.Fail].
var ErrFault = errors.New("revlogtest: the store was told to fail")

// A Faulty is a store that a test can make fail. It counts the calls, and passes each one on to
// another store until the test says otherwise. It is safe for concurrent use.
type Faulty struct {
	mu       sync.Mutex // owns everything below
	hooks    Hooks
	reads    int
	confirms int
	writes   []revlog.Write
}

// Hooks answer calls in place of a store. A call whose hook is nil goes to Store.
type Hooks struct {
	Store    revlog.Store
	Create   func(context.Context, revlog.CreateOptions) (revlog.Head, error)
	Read     func(context.Context, revlog.Cursor) (revlog.Page, error)
	Write    func(context.Context, revlog.Write) (revlog.Written, error)
	Confirm  func(context.Context, revlog.Question) (revlog.Answer, error)
	Turn     func(ctx context.Context, holder string, keep time.Duration) (bool, error)
	Register func(ctx context.Context, r revlog.Replica, keep time.Duration) error
	Replicas func(context.Context) ([]revlog.Replica, error)
	CallRoll func(context.Context, revlog.ListID) error
	Sketches func(ctx context.Context, names []string) ([][]byte, error)
}

var (
	_ revlog.Store     = (*Faulty)(nil)
	_ revlog.Registrar = (*Faulty)(nil)
	_ revlog.Sketcher  = (*Faulty)(nil)
)

// NewFaulty returns a Faulty that passes calls on to s.
func NewFaulty(s revlog.Store) *Faulty { return &Faulty{hooks: Hooks{Store: s}} }

// Fail makes every call return [ErrFault] until [Faulty.Recover].
func (f *Faulty) Fail() {
	f.Hook(func(h *Hooks) {
		*h = Hooks{
			Store:    h.Store,
			Create:   func(context.Context, revlog.CreateOptions) (revlog.Head, error) { return revlog.Head{}, ErrFault },
			Read:     func(context.Context, revlog.Cursor) (revlog.Page, error) { return revlog.Page{}, ErrFault },
			Write:    func(context.Context, revlog.Write) (revlog.Written, error) { return revlog.Written{}, ErrFault },
			Confirm:  func(context.Context, revlog.Question) (revlog.Answer, error) { return revlog.Answer{}, ErrFault },
			Turn:     func(context.Context, string, time.Duration) (bool, error) { return false, ErrFault },
			Register: func(context.Context, revlog.Replica, time.Duration) error { return ErrFault },
			Replicas: func(context.Context) ([]revlog.Replica, error) { return nil, ErrFault },
			CallRoll: func(context.Context, revlog.ListID) error { return ErrFault },
			Sketches: func(context.Context, []string) ([][]byte, error) { return nil, ErrFault },
		}
	})
}

// Recover ends Fail and removes every hook.
func (f *Faulty) Recover() { f.Hook(func(h *Hooks) { *h = Hooks{Store: h.Store} }) }

// Hook lets change set the hooks for the calls that begin afterwards. change must not call methods
// of f; the hooks may.
func (f *Faulty) Hook(change func(*Hooks)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.hooks)
}

// Replace passes calls on to s from now on. Use a new [revlog.Memory] for a store that lost its
// data.
func (f *Faulty) Replace(s revlog.Store) { f.Hook(func(h *Hooks) { h.Store = s }) }

// Unwrap returns the store that f passes calls on to, for hooks that use it, and for a second
// replica that reaches it.
func (f *Faulty) Unwrap() revlog.Store {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hooks.Store
}

// Reads returns how often the log was read, successfully or not.
func (f *Faulty) Reads() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

// Confirms returns how often the store was asked a question, successfully or not.
func (f *Faulty) Confirms() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.confirms
}

// Writes returns what the store was asked to write, successfully or not.
func (f *Faulty) Writes() []revlog.Write {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.writes)
}

// call notes a call and returns the hooks that answer it.
func (f *Faulty) call(note func()) Hooks {
	f.mu.Lock()
	defer f.mu.Unlock()
	note()
	return f.hooks
}

// Create implements [revlog.Store].
func (f *Faulty) Create(ctx context.Context, o revlog.CreateOptions) (revlog.Head, error) {
	h := f.call(func() {})
	if h.Create != nil {
		return h.Create(ctx, o)
	}
	return h.Store.Create(ctx, o)
}

// Read implements [revlog.Store].
func (f *Faulty) Read(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
	h := f.call(func() { f.reads++ })
	if h.Read != nil {
		return h.Read(ctx, c)
	}
	return h.Store.Read(ctx, c)
}

// Write implements [revlog.Store].
func (f *Faulty) Write(ctx context.Context, w revlog.Write) (revlog.Written, error) {
	h := f.call(func() { f.writes = append(f.writes, w) })
	if h.Write != nil {
		return h.Write(ctx, w)
	}
	return h.Store.Write(ctx, w)
}

// Confirm implements [revlog.Store].
func (f *Faulty) Confirm(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
	h := f.call(func() { f.confirms++ })
	if h.Confirm != nil {
		return h.Confirm(ctx, q)
	}
	return h.Store.Confirm(ctx, q)
}

// Turn implements [revlog.Store].
func (f *Faulty) Turn(ctx context.Context, holder string, keep time.Duration) (bool, error) {
	h := f.call(func() {})
	if h.Turn != nil {
		return h.Turn(ctx, holder, keep)
	}
	return h.Store.Turn(ctx, holder, keep)
}

// Register implements [revlog.Registrar]. It does nothing if the store is not a Registrar.
func (f *Faulty) Register(ctx context.Context, r revlog.Replica, keep time.Duration) error {
	h := f.call(func() {})
	if h.Register != nil {
		return h.Register(ctx, r, keep)
	}
	if to, ok := h.Store.(revlog.Registrar); ok {
		return to.Register(ctx, r, keep)
	}
	return nil
}

// Replicas implements [revlog.Registrar]. It returns nothing if the store is not a Registrar.
func (f *Faulty) Replicas(ctx context.Context) ([]revlog.Replica, error) {
	h := f.call(func() {})
	if h.Replicas != nil {
		return h.Replicas(ctx)
	}
	if from, ok := h.Store.(revlog.Registrar); ok {
		return from.Replicas(ctx)
	}
	return nil, nil
}

// CallRoll implements [revlog.Registrar]. It does nothing if the store is not a Registrar.
func (f *Faulty) CallRoll(ctx context.Context, list revlog.ListID) error {
	h := f.call(func() {})
	if h.CallRoll != nil {
		return h.CallRoll(ctx, list)
	}
	if to, ok := h.Store.(revlog.Registrar); ok {
		return to.CallRoll(ctx, list)
	}
	return nil
}

// Sketches implements [revlog.Sketcher]. It returns nothing if the store is not a Sketcher.
func (f *Faulty) Sketches(ctx context.Context, names []string) ([][]byte, error) {
	h := f.call(func() {})
	if h.Sketches != nil {
		return h.Sketches(ctx, names)
	}
	if from, ok := h.Store.(revlog.Sketcher); ok {
		return from.Sketches(ctx, names)
	}
	return make([][]byte, len(names)), nil
}

// KeepSketch implements [revlog.Sketcher]. It does nothing if the store is not a Sketcher.
func (f *Faulty) KeepSketch(ctx context.Context, name string, sketch []byte, keep time.Duration) error {
	h := f.call(func() {})
	if to, ok := h.Store.(revlog.Sketcher); ok {
		return to.KeepSketch(ctx, name, sketch, keep)
	}
	return nil
}
