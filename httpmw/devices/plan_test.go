package devices_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/devices"
)

// Each subject has the limit of its plan, and a plan that changes counts from the next login on.
func TestLimitByPlan(t *testing.T) {
	plans := map[string]int{"ann": 1, "bob": 3, "eve": 0}
	r := one(t, devices.Config{MaxFor: func(_ context.Context, subject string) (int, error) { return plans[subject], nil }})
	browsers, sids := map[string][]*browser{}, map[string][]string{}
	login := func(subject string, living int) {
		t.Helper()
		b := newBrowser(firefox)
		browsers[subject], sids[subject] = append(browsers[subject], b), append(sids[subject], b.login(t, r, subject))
		alive := sids[subject][less(len(sids[subject]), living):]
		await(t, r, subject, subject, slices.Clone(alive)...)
		for i, b := range browsers[subject] {
			if want := slices.Contains(alive, sids[subject][i]); (b.id(r) != "") != want {
				t.Errorf("%s: session %d of %d is accepted: %t", subject, i, len(sids[subject]), !want)
			}
		}
	}
	for range 4 {
		login("ann", 1)
		login("bob", 3)
		login("eve", 9)
	}
	plans["bob"] = 2
	login("bob", 2)
	if n := r.Registry.Stats(); n.Evicted != 3+1+2 || n.Refused != 0 {
		t.Errorf("counted %+v", n)
	}
}

// Without an answer there is no session: it could be one too many. What goes on needs no answer.
func TestAPlanThatIsNotKnown(t *testing.T) {
	var most int
	var err error
	r := one(t, devices.Config{Timeout: 50 * time.Millisecond, MaxFor: func(ctx context.Context, _ string) (int, error) {
		if most == 7 {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return most, err
	}})
	a, b := newBrowser(firefox), newBrowser(firefox)
	most = 5
	first := a.login(t, r, "ann")
	for _, row := range []struct {
		most int
		err  error
	}{{1, errDead}, {-1, nil}, {257, nil}, {7, nil}} {
		most, err = row.most, row.err
		sid, got := b.tryLogin(r, httpmw.Identity{Subject: "ann"})
		if !errors.Is(got, devices.ErrUnavailable) || row.err != nil && !errors.Is(got, row.err) || sid != "" || len(b.jar) > 0 {
			t.Errorf("%+v: session %q, %v", row, sid, got)
		}
	}
	if n := r.Registry.Stats().Refused; n != 4 {
		t.Errorf("%d logins are counted as refused", n)
	}
	most, err = 0, errDead
	if err := a.try(r, func(s *session, ctx context.Context) error { return s.SetGroups(ctx, []string{"g"}) }); err != nil || a.id(r) == "" || a.id(r) == first {
		t.Errorf("other groups: %v, session %q", err, a.id(r))
	}
	await(t, r, "the row has the new id", "ann", a.id(r))
	if n := r.Registry.Stats().Refused; n != 4 {
		t.Errorf("what goes on is counted as a login: %d", n)
	}
}
