package revocation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func open(t *testing.T, s revlog.Store) *revocation.List {
	t.Helper()
	return openWith(t, s, revocation.Config{})
}

const sid1 = "AAAAAAAAAAAAAAAAAAAAAQ"

func login(t *testing.T, l *revocation.List, sid byte, user string, groups ...string) *replica.Query {
	t.Helper()
	q := &replica.Query{Session: [16]byte{15: sid}, Subject: l.Tag(revocation.Subject(user)), Keys: [2]string{"kid-one"}}
	for _, g := range groups {
		q.GroupTags[q.Groups] = l.Tag(revocation.Group(g))
		q.Groups++
	}
	s, err := l.Replica().Begin(t.Context(), replica.Login{Subject: q.Subject, Groups: q.GroupTags[:q.Groups]})
	if err != nil {
		t.Fatal(err)
	}
	q.Epoch, q.Checked, q.Term = s.Epoch, s.Checked, s.Term
	return q
}

func verdict(t *testing.T, l *revocation.List, q *replica.Query) replica.Verdict {
	t.Helper()
	c := *q
	v := l.Replica().Decide(&c)
	if v.Outcome == replica.Ask {
		v = l.Replica().Confirm(t.Context(), &c)
	}
	return v
}

func TestEveryScopeIsRefusedHereAtOnceAndElsewhereWithinS(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target revocation.Target
		want   replica.Reason
	}{
		{"session", revocation.Session(sid1), replica.RevokedSession},
		{"subject", revocation.Subject("ada"), replica.RevokedSubject},
		{"group", revocation.Group("tenant:7"), replica.RevokedGroup},
		{"key", revocation.Key("kid-one"), replica.RevokedKey},
		{"everyone", revocation.Everyone(), replica.RevokedEveryone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := revlog.NewMemory()
				here, there := open(t, store), open(t, store)
				q := login(t, here, 1, "ada", "tenant:7")
				for _, l := range []*revocation.List{here, there} {
					if v := verdict(t, l, q); v.Outcome != replica.Accept {
						t.Fatalf("before: %+v", v)
					}
				}
				r, err := here.Revoke(t.Context(), tt.target, revocation.Options{})
				if err != nil || !r.Changed {
					t.Fatalf("Revoke = %+v, %v", r, err)
				}
				if v := verdict(t, here, q); v.Outcome != replica.Refuse || v.Reason != tt.want {
					t.Errorf("here, at once: %+v", v)
				}
				time.Sleep(2 * time.Second)
				if v := verdict(t, there, q); v.Outcome != replica.Refuse || v.Reason != tt.want {
					t.Errorf("there, after S: %+v", v)
				}
				if r, err := there.Revoke(t.Context(), tt.target, revocation.Options{}); err != nil ||
					r.Changed != (tt.want != replica.RevokedSession && tt.want != replica.RevokedKey) {
					t.Errorf("a second time: %+v, %v", r, err) // R6
				}
				if tt.want != replica.RevokedKey && tt.want != replica.RevokedSession {
					if v := verdict(t, there, login(t, there, 2, "ada", "tenant:7")); v.Outcome != replica.Accept {
						t.Errorf("a login right after: %+v", v) // R21
					}
				}
			})
		})
	}
}

func TestOpenRefusesAnotherRingsList(t *testing.T) {
	store := revlog.NewMemory()
	open(t, store)
	_, err := revocation.Open(t.Context(), store, revlogtest.Secrets(2), revocation.Config{})
	if !errors.Is(err, revocation.ErrWrongKey) {
		t.Fatalf("Open = %v", err)
	}
}

func TestOpenGivesUpWhenItsContextDoes(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := revocation.Open(ctx, silent{}, revlogtest.Secrets(1), revocation.Config{})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errSilent) {
			t.Fatalf("Open = %v", err)
		}
	})
}

var errSilent = errors.New("no answer")

type silent struct{ revlog.Store }

func (silent) Create(context.Context, revlog.CreateOptions) (revlog.Head, error) {
	return revlog.Head{}, errSilent
}
