package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func all(revlog.Entry) bool { return true }

// walk pages through the log, and returns the numbers of the entries.
func walk(t *testing.T, l *revocation.List, limit int, want func(revlog.Entry) bool) (numbers []int64) {
	t.Helper()
	var before revlog.Position
	for range 1000 {
		found, next, err := l.Replica().Newest(t.Context(), before, limit, want)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > limit {
			t.Fatalf("%d on a page of %d", len(found), limit)
		}
		for _, e := range found {
			numbers = append(numbers, e.Position.N)
		}
		if next == (revlog.Position{}) {
			return numbers
		}
		before = next
	}
	t.Fatal("the pages have no end")
	return nil
}

// A position that no page names costs no more than another one.
func TestNewestOfAnyPosition(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		memory := revlog.NewMemory()
		store := revlogtest.NewFaulty(memory)
		l := openBulk(t, store, revocation.Config{Audit: slog.DiscardHandler, NoCanary: true})
		for i := range 30_000 {
			if _, err := l.Revoke(t.Context(), revocation.Subject(fmt.Sprint("user", i)), revocation.Options{}); err != nil {
				t.Fatal(err)
			}
			if i%100 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		head := time.Now().UnixMilli()
		const most = 1<<63 - 1
		for _, before := range []revlog.Position{
			{MS: head, N: 1}, {MS: head + 1e6, N: 1}, {MS: most, N: most}, {MS: 0, N: most}, {MS: 1, N: 1}, {MS: head - 500, N: most}, {MS: head - 500, N: 1},
		} {
			looked := 0
			store.Hook(func(h *revlogtest.Hooks) {
				h.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
					p, err := memory.Read(ctx, c)
					looked += len(p.Entries)
					return p, err
				}
			})
			found, _, err := l.Replica().Newest(t.Context(), before, 10, all)
			if err != nil || looked > 10_000 {
				t.Errorf("before %v: %d entries read, %v", before, looked, err)
			}
			for _, e := range found {
				if !e.Position.Before(before) {
					t.Errorf("before %v: %v", before, e.Position)
				}
			}
			if want := 10; before.MS >= head-500 && len(found) != want {
				t.Errorf("before %v: %d found", before, len(found))
			}
		}
	})
}

// The pages hold every entry once, the newest first, whether the entries share a ms or not.
func TestNewest(t *testing.T) {
	for _, row := range []struct {
		name    string
		entries int
		apart   time.Duration
		limit   int
	}{
		{"an empty log", 0, 0, 10},
		{"less than a page", 5, time.Second, 10},
		{"a full page", 10, time.Second, 10},
		{"pages", 25, time.Second, 10},
		{"pages of one", 4, 0, 1},
		{"more than is looked at, apart", 9500, 20 * time.Millisecond, 1000},
		{"more than is looked at, in a ms", 9500, 0, 1000},
	} {
		t.Run(row.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				l := openBulk(t, revlog.NewMemory(), revocation.Config{Audit: slog.DiscardHandler, NoCanary: true})
				for i := range row.entries {
					if _, err := l.Revoke(t.Context(), revocation.Subject(fmt.Sprint("user", i)), revocation.Options{}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(row.apart)
				}
				got := walk(t, l, row.limit, all)
				if len(got) != row.entries {
					t.Fatalf("%d entries, want %d", len(got), row.entries)
				}
				for i, n := range got {
					if n != int64(row.entries-i) {
						t.Fatalf("entry %d is number %d", i, n)
					}
				}
			})
		})
	}
}

// A page tells who made an entry, if this replica did so for somebody; it leaves out canaries.
func TestNewestTellsWhoMadeIt(t *testing.T) {
	store := revlogtest.NewFaulty(revlog.NewMemory())
	a, b := openBulk(t, store, revocation.Config{}), openBulk(t, store, revocation.Config{})
	by := audit.By{Actor: "deploy-2", Claimed: "grace", Reason: "stolen laptop", Via: audit.ViaAdmin}
	if _, err := a.Revoke(audit.With(t.Context(), by), revocation.Subject("ada"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Revoke(audit.With(t.Context(), audit.By{Actor: "subject:x", Via: audit.ViaSession}), revocation.Group("tenant:7"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	for l, want := range map[*revocation.List]audit.By{a: by, b: {}} {
		found, next, err := l.Replica().Newest(t.Context(), revlog.Position{}, 10, all)
		if err != nil || len(found) != 2 || next != (revlog.Position{}) {
			t.Fatalf("%d entries, next %v, %v", len(found), next, err)
		}
		if found[0].Scope != revlog.ScopeGroup || found[0].By != (audit.By{}) || found[1].By != want {
			t.Errorf("found %+v", found)
		}
	}
	if got := walk(t, a, 1, func(e revlog.Entry) bool { return e.Scope == revlog.ScopeSubject }); len(got) != 1 {
		t.Errorf("%d of the scope", len(got))
	}
	store.Fail()
	if _, _, err := a.Replica().Newest(t.Context(), revlog.Position{}, 10, all); !errors.Is(err, revocation.ErrLookup) {
		t.Errorf("while the store is silent: %v", err)
	}
}
