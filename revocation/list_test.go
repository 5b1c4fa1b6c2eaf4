package revocation_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
)

type secrets byte

func (s secrets) ListSecret(label string) (out [32]byte) {
	copy(out[:], label)
	out[0] ^= byte(s)
	return out
}

func open(t *testing.T, s revocation.Store) *revocation.List {
	t.Helper()
	l, err := revocation.Open(t.Context(), s, secrets(1), revocation.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

const sid1 = "AAAAAAAAAAAAAAAAAAAAAQ"

func login(t *testing.T, l *revocation.List, sid byte, user string, groups ...string) *revocation.Query {
	t.Helper()
	q := &revocation.Query{Session: [16]byte{15: sid}, Subject: l.Tag(revocation.Subject(user)), Keys: [2]string{"kid-one"}}
	for _, g := range groups {
		q.Groups = append(q.Groups, l.Tag(revocation.Group(g)))
	}
	s, err := l.Begin(t.Context(), revocation.Login{Subject: q.Subject, Groups: q.Groups})
	if err != nil {
		t.Fatal(err)
	}
	q.Epoch, q.Checked, q.Line = s.Epoch, s.Checked, s.Line
	return q
}

func verdict(t *testing.T, l *revocation.List, q *revocation.Query) revocation.Verdict {
	t.Helper()
	c := *q
	v := l.Decide(&c)
	if v.Outcome == revocation.Ask {
		v = l.Confirm(t.Context(), &c)
	}
	return v
}

func TestEveryScopeIsRefusedHereAtOnceAndElsewhereWithinS(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target revocation.Target
		want   revocation.Reason
	}{
		{"session", revocation.Session(sid1), revocation.RevokedSession},
		{"subject", revocation.Subject("ada"), revocation.RevokedSubject},
		{"group", revocation.Group("tenant:7"), revocation.RevokedGroup},
		{"key", revocation.Key("kid-one"), revocation.RevokedKey},
		{"everyone", revocation.Everyone(), revocation.RevokedEveryone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := revocation.NewMemory()
				here, there := open(t, store), open(t, store)
				q := login(t, here, 1, "ada", "tenant:7")
				for _, l := range []*revocation.List{here, there} {
					if v := verdict(t, l, q); v.Outcome != revocation.Accept {
						t.Fatalf("before: %+v", v)
					}
				}
				r, err := here.Revoke(t.Context(), tt.target, revocation.Options{})
				if err != nil || !r.Changed {
					t.Fatalf("Revoke = %+v, %v", r, err)
				}
				if v := verdict(t, here, q); v.Outcome != revocation.Refuse || v.Reason != tt.want {
					t.Errorf("here, at once: %+v", v)
				}
				time.Sleep(2 * time.Second)
				if v := verdict(t, there, q); v.Outcome != revocation.Refuse || v.Reason != tt.want {
					t.Errorf("there, after S: %+v", v)
				}
				if r, err := there.Revoke(t.Context(), tt.target, revocation.Options{}); err != nil ||
					r.Changed != (tt.want != revocation.RevokedSession && tt.want != revocation.RevokedKey) {
					t.Errorf("a second time: %+v, %v", r, err) // R6
				}
				if tt.want != revocation.RevokedKey && tt.want != revocation.RevokedSession {
					if v := verdict(t, there, login(t, there, 2, "ada", "tenant:7")); v.Outcome != revocation.Accept {
						t.Errorf("a login right after: %+v", v) // R21
					}
				}
			})
		})
	}
}

func TestOpenRefusesAnotherRingsList(t *testing.T) {
	store := revocation.NewMemory()
	open(t, store)
	_, err := revocation.Open(t.Context(), store, secrets(2), revocation.Config{})
	if !errors.Is(err, revocation.ErrWrongKey) {
		t.Fatalf("Open = %v", err)
	}
}

func TestOpenGivesUpWhenItsContextDoes(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := revocation.Open(ctx, silent{}, secrets(1), revocation.Config{})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errSilent) {
			t.Fatalf("Open = %v", err)
		}
	})
}

var errSilent = errors.New("no answer")

type silent struct{ revocation.Store }

func (silent) Create(context.Context, revocation.Founding) (revocation.Head, error) {
	return revocation.Head{}, errSilent
}
