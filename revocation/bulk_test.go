package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func openBulk(t *testing.T, s revlog.Store, c revocation.Config) *revocation.List {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	l, err := revocation.Open(t.Context(), s, revlogtest.Secrets(1), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// After RevokeMany every replica looks each session up once and refuses the revoked ones. The log
// does not grow.
func TestRevokeMany(t *testing.T) {
	store := revlog.NewMemory()
	a, b := openBulk(t, store, revocation.Config{}), openBulk(t, store, revocation.Config{})
	var targets []revocation.Target
	for i := range 2500 {
		targets = append(targets, revocation.Subject(fmt.Sprint("user", i)))
	}
	query := func(l *revocation.List, name string) *replica.Query {
		start, err := l.Replica().Begin(t.Context(), replica.Login{Subject: l.Tag(revocation.Subject(name))})
		if err != nil {
			t.Fatal(err)
		}
		return &replica.Query{
			Session: [16]byte{1}, Subject: l.Tag(revocation.Subject(name)),
			Epoch: start.Epoch, Checked: start.Checked, Term: start.Term,
		}
	}
	bad, good := query(b, "user2499"), query(b, "another user")
	calls := []int{}
	receipt, err := a.RevokeMany(t.Context(), slices.Values(targets), func(n int) { calls = append(calls, n) })
	if err != nil || !receipt.Changed || !slices.Equal(calls, []int{1000, 2000, 2500, 2500}) {
		t.Fatalf("RevokeMany = %+v, %v, progress %v", receipt, err, calls)
	}
	if n := a.Stats().Entries; n != 0 {
		t.Errorf("%d entries went into the log", n)
	}
	await(t, "the other replica reads the floor", func() bool { return b.Replica().Decide(good).Outcome == replica.Ask })
	if v := b.Replica().Confirm(t.Context(), bad); v.Reason != replica.RevokedSubject {
		t.Errorf("a revoked one: %+v", v)
	}
	v := b.Replica().Confirm(t.Context(), good)
	if v.Outcome != replica.Accept || !v.Renew {
		t.Fatalf("another one: %+v", v)
	}
	good.Checked, good.Term = v.Checked, v.Term
	if v := b.Replica().Decide(good); v.Outcome != replica.Accept {
		t.Errorf("looked up a second time: %+v", v)
	}
	for _, target := range []revocation.Target{revocation.Everyone(), revocation.Key("k"), revocation.Session("short")} {
		if _, err := a.RevokeMany(t.Context(), slices.Values([]revocation.Target{target}), nil); !errors.Is(err, revocation.ErrTarget) {
			t.Errorf("%v: %v", target, err)
		}
	}
}

// await polls, because the lists of this test run on real clocks.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("still waiting: " + what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestReplicas(t *testing.T) {
	store := revlog.NewMemory()
	report := func() map[string]string { return map[string]string{"keys": "abc"} }
	a := openBulk(t, store, revocation.Config{Report: report})
	openBulk(t, store, revocation.Config{})
	var all []revlog.Replica
	await(t, "both are registered", func() (ok bool) {
		var err error
		if all, err = a.Replicas(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(all) == 2 && all[0].State != "booting" && all[1].State != "booting"
	})
	reports := 0
	for _, r := range all {
		if r.ID == "" || r.Host == "" || r.Version == "" || r.State != "synced" || r.Position == "" || r.Seen.IsZero() {
			t.Errorf("%+v", r)
		}
		if r.Report["keys"] == "abc" {
			reports++
		}
	}
	if reports != 1 || all[0].ID == all[1].ID {
		t.Errorf("%+v", all)
	}
	if err := store.Register(context.Background(), revlog.Replica{ID: "brief"}, -time.Second); err != nil {
		t.Error(err)
	}
	if all, _ := a.Replicas(t.Context()); len(all) != 2 {
		t.Errorf("an expired replica is still there: %+v", all)
	}
}
