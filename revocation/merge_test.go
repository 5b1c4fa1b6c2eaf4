package revocation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A joined is the exact set of a store, as its answers show it.
type joined map[string]int64

var mergeTags = []revlog.Tag{{1}, {2}, {3}}

func someAssertions(r *rand.Rand, n int) []revlog.Assertion {
	scopes := []revlog.Scope{
		revlog.ScopeSession, revlog.ScopeSubject, revlog.ScopeGroup, revlog.ScopeKey, revlog.ScopeEveryone,
	}
	var out []revlog.Assertion
	for range n {
		a := revlog.Assertion{Effect: revlog.End.Byte(), Scope: scopes[r.IntN(len(scopes))], Tag: mergeTags[r.IntN(len(mergeTags))], W: 1 + r.Int64N(20)}
		switch a.Scope {
		case revlog.ScopeSession, revlog.ScopeKey:
			a.W = revlog.Forever
		case revlog.ScopeEveryone:
			a.Tag = revlog.Tag{}
		}
		a.Limit = a.W
		out = append(out, a)
	}
	return out
}

// A heap is a store that is merged with others.
type heap struct {
	t     *testing.T
	store *revlog.Memory
	list  revlog.ListID
}

func newHeap(t *testing.T, assertions ...revlog.Assertion) *heap {
	t.Helper()
	h := &heap{t: t, store: revlog.NewMemory()}
	head, err := h.store.Create(t.Context(), revlog.CreateOptions{ID: revlog.ListID{1}, Retain: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	h.list = head.ID
	h.join(assertions)
	return h
}

// join writes assertions unchanged, in several writes.
func (h *heap) join(assertions []revlog.Assertion) (changed int) {
	h.t.Helper()
	for len(assertions) > 0 {
		n := min(len(assertions), 3)
		w, err := h.store.Write(h.t.Context(), revlog.Append{List: h.list, Assertions: assertions[:n]})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, r := range w.Results {
			if r.Changed {
				changed++
			}
		}
		assertions = assertions[n:]
	}
	return changed
}

// merge joins everything in the log of o.
func (h *heap) merge(o *heap) *heap {
	h.t.Helper()
	p, err := o.store.Read(h.t.Context(), revlog.Cursor{List: o.list, Limit: 1000})
	if err != nil {
		h.t.Fatal(err)
	}
	var all []revlog.Assertion
	for _, e := range p.Entries {
		all = append(all, e.Again())
	}
	h.join(all)
	return h
}

func (h *heap) set() joined {
	h.t.Helper()
	out := joined{}
	for _, tag := range mergeTags {
		a, err := h.store.Confirm(h.t.Context(), revlog.Question{
			List: h.list, Session: tag, Subject: tag, Groups: []revlog.Tag{tag}, Keys: []revlog.Tag{tag},
		})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, e := range a.Found {
			out[fmt.Sprint(e.Scope, " ", e.Tag[0])] = e.W
		}
	}
	return out
}

// R5: revocations join by maximum, so it does not matter who writes them, in which order, or how
// often.
func TestR5JoinIsASemilattice(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for round := range 300 {
		a, b, c := someAssertions(r, r.IntN(12)), someAssertions(r, r.IntN(12)), someAssertions(r, r.IntN(12))
		all := append(append(append([]revlog.Assertion(nil), a...), b...), c...)
		want := newHeap(t, all...).set()

		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		again := newHeap(t, all...)
		if d := cmp.Diff(want, again.set()); d != "" {
			t.Fatalf("round %d: not commutative:\n%s", round, d)
		}
		if n := again.join(all); n != 0 { // R6
			t.Fatalf("round %d: not idempotent: %d changes", round, n)
		}
		if d := cmp.Diff(want, again.set()); d != "" {
			t.Fatalf("round %d: not idempotent:\n%s", round, d)
		}
		left := newHeap(t, a...).merge(newHeap(t, b...)).merge(newHeap(t, c...))
		right := newHeap(t, a...).merge(newHeap(t, b...).merge(newHeap(t, c...)))
		if d := cmp.Diff(left.set(), right.set()); d != "" {
			t.Fatalf("round %d: not associative:\n%s", round, d)
		}
		if d := cmp.Diff(want, left.set()); d != "" {
			t.Fatalf("round %d: merging stores is not writing to one:\n%s", round, d)
		}
		h := newHeap(t)
		before := h.set()
		for _, one := range all {
			h.join([]revlog.Assertion{one})
			now := h.set()
			for k, w := range before {
				if now[k] < w {
					t.Fatalf("round %d: not monotone: %s fell from %d to %d", round, k, w, now[k])
				}
			}
			before = now
		}
	}
}

// R5, R16, R17: scopes combine by OR. A watermark of one scope, older or newer, written before or
// after, never hides one of another scope, wherever the decision is made.
func TestR5NoScopeMasksAnother(t *testing.T) {
	type watermark int
	const (
		none  watermark = iota
		older           // sessions that began before it
		meant           // this session too
	)
	for _, where := range []string{"outbox", "window", "exact set"} {
		for _, backwards := range []bool{false, true} {
			t.Run(fmt.Sprint(where, " backwards ", backwards), func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					for combination := range 2 * 2 * 3 * 3 * 3 * 3 {
						m := map[string]watermark{}
						n := combination
						for _, s := range []string{"subject", "group one", "group two", "everyone"} {
							m[s] = watermark(n % 3)
							n /= 3
						}
						for _, s := range []string{"session", "key"} {
							m[s] = watermark(n % 2 * int(meant))
							n /= 2
						}
						store := script()
						l := open(t, store)
						time.Sleep(time.Second)
						q := login(t, l, 1, "ada", "one", "two")
						time.Sleep(time.Second)
						if where == "outbox" {
							store.silence()
						}
						order := []string{"session", "subject", "group one", "group two", "key", "everyone"}
						if backwards {
							order = []string{"everyone", "key", "group two", "group one", "subject", "session"}
						}
						targets := map[string]revocation.Target{
							"session": revocation.Session(sid(1)), "subject": revocation.Subject("ada"),
							"group one": revocation.Group("one"), "group two": revocation.Group("two"),
							"key": revocation.Key("kid-one"), "everyone": revocation.Everyone(),
						}
						refused := false
						for _, s := range order {
							if m[s] == none {
								continue
							}
							w := q.Epoch // ep == W is revoked
							if m[s] == older {
								w--
							} else {
								refused = true
							}
							if _, err := l.Revoke(t.Context(), targets[s], revocation.Options{Before: time.UnixMilli(w)}); err != nil && where != "outbox" {
								t.Fatal(err)
							}
						}
						want := replica.Accept
						if refused {
							want = replica.Refuse
						}
						switch where {
						case "window":
							time.Sleep(time.Second)
						case "exact set":
							time.Sleep(time.Second)
							store.Hook(silenceReads)
							l = bypass(t, l, store)
							q.Term = 99
						}
						if v := verdict(t, l, q); v.Outcome != want {
							t.Fatalf("%v: %v, want %v", m, v.Outcome, want)
						}
						store.Recover()
						l.Close()
					}
				})
			})
		}
	}
}

// bypass returns a list that knows only the answers of the store.
func bypass(t *testing.T, l *revocation.List, store scripted) *revocation.List {
	t.Helper()
	l.Close()
	in := store.Unwrap()
	store.Hook(func(s *revlogtest.Hooks) {
		s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
			p, err := in.Read(ctx, c)
			p.Entries, p.Globals = nil, nil
			p.Oldest = revlog.Position{}
			return p, err
		}
	})
	return open(t, store)
}
