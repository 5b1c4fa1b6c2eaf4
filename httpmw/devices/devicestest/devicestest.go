// Package devicestest tests stores of package devices, and makes them fail.
package devicestest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw/devices"
)

// Test tests that the stores that open returns are what devices.Store promises. Each call of open
// must return an empty store.
func Test(t *testing.T, open func(t *testing.T) devices.Store) {
	for name, test := range map[string]func(*testing.T, devices.Store){
		"Kept": kept, "Owners": owners, "Again": again, "Previous": previous, "Over": over, "Max": most, "Order": order,
		"Delete": remove, "Parallel": parallel, "SameRow": sameRow, "Context": ended, "Logins": logins,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// now is a moment that every store can keep. It lies ahead, so that nothing is over by a store's clock.
var now = time.Now().Add(time.Hour).Truncate(time.Second).Add(123 * time.Millisecond)

const (
	ada = "0123456789abcdef0123456789abcdef"
	ben = "fedcba9876543210fedcba9876543210"
)

// row returns a row of the session whose id begins with id, which is as long as ids are, and which
// began i seconds after the others.
func row(id string, i int) devices.Device {
	return devices.Device{
		ID: pad(id), Agent: "Firefox on Linux", LoginTime: now.Add(-time.Hour), Began: now.Add(time.Duration(i) * time.Second),
		Seen: now, Until: now.Add(time.Hour),
	}
}

func pad(id string) string { return id + strings.Repeat("_", 22-len(id)) }

func put(t *testing.T, s devices.Store, owner string, d devices.Device, previous string, max int) []string {
	t.Helper()
	excess, err := s.Put(t.Context(), owner, d, previous, max)
	if err != nil {
		t.Fatal(err)
	}
	return excess
}

// check compares the rows of an owner.
func check(t *testing.T, s devices.Store, owner string, want ...devices.Device) {
	t.Helper()
	got, err := s.List(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b devices.Device) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(want, func(a, b devices.Device) int { return strings.Compare(a.ID, b.ID) })
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// ids returns the first letters of ids.
func ids(of []string) (short []string) {
	for _, id := range of {
		short = append(short, strings.TrimRight(id, "_"))
	}
	slices.Sort(short)
	return short
}

// names are all that a name may be.
var names = []string{
	"", "Ada's phone", `"quoted" \ back`, "日本語 🦊", "'; DROP TABLE wafer_devices; --", "%s {} [] $1 ?", "null", "0", " spaces ",
	strings.Repeat("é", 50),
}

func kept(t *testing.T, s devices.Store) {
	var want []devices.Device
	for i, name := range names {
		d := row(fmt.Sprint("r", i), i)
		d.Name = name
		if i == 3 {
			d.Agent = ""
		}
		if excess := put(t, s, ada, d, "", 0); len(excess) > 0 {
			t.Errorf("too many without a limit: %v", excess)
		}
		want = append(want, d)
	}
	check(t, s, ada, want...)
}

func owners(t *testing.T, s devices.Store) {
	check(t, s, ada)
	a, b := row("a", 0), row("b", 1)
	put(t, s, ada, a, "", 1)
	if excess := put(t, s, ben, b, a.ID, 1); len(excess) > 0 {
		t.Errorf("a row of somebody else is too many: %v", excess)
	}
	check(t, s, ada, a)
	check(t, s, ben, b)
	if err := s.Delete(t.Context(), ben, a.ID); err != nil {
		t.Fatal(err)
	}
	check(t, s, ada, a)
}

func again(t *testing.T, s devices.Store) {
	d := row("a", 0)
	d.Name = "phone"
	put(t, s, ada, d, "", 0)
	next := d
	next.Name, next.Agent = "", "Chrome on Android"
	next.Seen, next.Until = d.Seen.Add(time.Minute), d.Until.Add(time.Minute)
	put(t, s, ada, next, "", 2)
	next.Name = "phone" // stays
	check(t, s, ada, next)
	early := next
	early.Name = "tablet"
	early.Seen, early.Until = d.Seen.Add(-time.Minute), d.Until.Add(-time.Minute)
	put(t, s, ada, early, "", 0) // a write that was late
	next.Name = "tablet"
	check(t, s, ada, next)
}

func previous(t *testing.T, s devices.Store) {
	a, b, c, d := row("a", 0), row("b", 1), row("c", 2), row("d", 3)
	a.Name = "phone"
	put(t, s, ada, a, "", 2)
	put(t, s, ada, b, "", 2)
	if excess := put(t, s, ada, c, a.ID, 2); len(excess) > 0 { // takes the place of a
		t.Errorf("too many after one took the place of another: %v", excess)
	}
	c.Name = "phone"
	check(t, s, ada, b, c)
	d.Name = "laptop"
	if excess := put(t, s, ada, d, pad("nothing"), 2); !slices.Equal(ids(excess), []string{"b"}) {
		t.Errorf("a row whose predecessor is gone counts as new: too many are %v, want b", ids(excess))
	}
	e := row("e", 4)
	e.Name = "new name"
	put(t, s, ada, e, d.ID, 0)
	check(t, s, ada, b, c, e)
}

func over(t *testing.T, s devices.Store) {
	a, b, c := row("a", 0), row("b", 1), row("c", 2)
	a.Until = now.Add(time.Minute)
	put(t, s, ada, a, "", 0)
	put(t, s, ada, b, "", 0)
	c.Seen, c.Until = now.Add(time.Minute), now.Add(2*time.Hour)
	if excess := put(t, s, ada, c, "", 2); len(excess) > 0 {
		t.Errorf("what is over counts: too many are %v", ids(excess))
	}
	check(t, s, ada, b, c)
}

func most(t *testing.T, s devices.Store) {
	all := []devices.Device{row("a", 0), row("b", 1), row("c", 2), row("d", 3)}
	for _, d := range all[:3] {
		put(t, s, ada, d, "", 0)
	}
	for _, step := range []struct {
		max  int
		want []string
	}{{4, nil}, {3, []string{"a"}}, {3, []string{"a"}}, {2, []string{"a", "b"}}, {1, []string{"a", "b", "c"}}, {0, nil}, {256, nil}} {
		if got := ids(put(t, s, ada, all[3], "", step.max)); !slices.Equal(got, step.want) {
			t.Errorf("with at most %d: too many are %v, want %v", step.max, got, step.want)
		}
	}
	check(t, s, ada, all...) // nothing was deleted
}

// Which is the oldest is decided by when the sessions began, then by their logins, and not by when they
// were written. The row that is put is never too many.
func order(t *testing.T, s devices.Store) {
	c := row("c", 5)
	c.LoginTime = c.LoginTime.Add(time.Millisecond)
	put(t, s, ada, c, "", 0)
	put(t, s, ada, row("b", 5), "", 0)
	put(t, s, ada, row("z", 1), "", 0)
	put(t, s, ada, row("a", 9), "", 0)
	late := row("y", 0)
	for max, want := range [][]string{4: {"z"}, 3: {"b", "z"}, 2: {"b", "c", "z"}} {
		if max == 0 {
			continue
		}
		if got := ids(put(t, s, ada, late, "", max)); max > 1 && !slices.Equal(got, want) {
			t.Errorf("with at most %d: too many are %v, want %v", max, got, want)
		}
	}
}

func remove(t *testing.T, s devices.Store) {
	a, b, c := row("a", 0), row("b", 1), row("c", 2)
	for _, d := range []devices.Device{a, b, c} {
		put(t, s, ada, d, "", 0)
	}
	for _, gone := range [][]string{{}, {pad("nothing")}, {a.ID, pad("nothing"), c.ID}, {a.ID}} {
		if err := s.Delete(t.Context(), ada, gone...); err != nil {
			t.Fatal(err)
		}
	}
	check(t, s, ada, b)
	if err := s.Delete(t.Context(), ada, b.ID); err != nil {
		t.Fatal(err)
	}
	check(t, s, ada)
}

// Logins at the same time, each of which deletes what is too many a moment later, leave as many rows
// as there may be. None of these was too many for any of them.
func parallel(t *testing.T, s devices.Store) {
	const logins, max = 100, 3
	var mu sync.Mutex
	evicted := map[string]bool{}
	var all sync.WaitGroup
	for i := range logins {
		all.Go(func() {
			excess, err := s.Put(t.Context(), ada, row(fmt.Sprintf("r%02d", i), i/10), "", max)
			if err == nil && len(excess) > 0 {
				mu.Lock()
				for _, id := range excess {
					evicted[id] = true
				}
				mu.Unlock()
				err = s.Delete(t.Context(), ada, excess...)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	rows, err := s.List(t.Context(), ada)
	if err != nil || len(rows) != max || len(evicted) != logins-max {
		t.Fatalf("%d rows, want %d; %d were too many, want %d; %v", len(rows), max, len(evicted), logins-max, err)
	}
	for _, d := range rows {
		if evicted[d.ID] {
			t.Errorf("%s is there and was too many", d.ID)
		}
	}
}

// Writes of one row at the same time, and of one owner who is new, disturb nobody.
func sameRow(t *testing.T, s devices.Store) {
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			d := row("a", 0)
			d.Seen = d.Seen.Add(time.Duration(i) * time.Second)
			d.Until = d.Until.Add(time.Duration(i) * time.Second)
			if _, err := s.Put(t.Context(), ada, d, "", i%2); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	d := row("a", 0)
	d.Seen, d.Until = d.Seen.Add(19*time.Second), d.Until.Add(19*time.Second)
	check(t, s, ada, d)
}

func ended(t *testing.T, s devices.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, putting := s.Put(ctx, ada, row("a", 0), "", 1)
	_, listing := s.List(ctx, ada)
	if deleting := s.Delete(ctx, ada, pad("a")); putting == nil || listing == nil || deleting == nil {
		t.Errorf("after the end of the context: Put %v, List %v, Delete %v", putting, listing, deleting)
	}
	check(t, s, ada)
}
