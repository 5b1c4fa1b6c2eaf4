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

func token(l *revocation.List, n byte, s replica.Start, user string, groups ...string) *replica.Query {
	q := &replica.Query{Session: [16]byte{15: n}, Subject: l.Tag(revocation.Subject(user)),
		Epoch: s.Epoch, Checked: s.Checked, Term: s.Term}
	for _, g := range groups {
		q.GroupTags[q.Groups] = l.Tag(revocation.Group(g))
		q.Groups++
	}
	return q
}

func TestR21ALoginBeginsAfterEveryRevocationThereIs(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Everyone()} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := revlog.NewMemory()
				here, there := open(t, store), open(t, store)
				time.Sleep(time.Second)
				revoke(t, there, target) // this replica has not read it yet
				since, ok, err := here.Revoked(t.Context(), target)
				if err != nil || !ok {
					t.Fatalf("Revoked = %v, %v", ok, err)
				}
				_, head := entries(t, store)
				s, err := here.Replica().Begin(t.Context(), replica.Login{
					Subject: here.Tag(revocation.Subject("ada")), Groups: []revlog.Tag{here.Tag(revocation.Group("tenant:7"))},
				})
				if err != nil || s.Epoch != since.UnixMilli()+1 {
					t.Errorf("Epoch = %d, %v, want W + 1 = %d", s.Epoch, err, since.UnixMilli()+1)
				}
				if s.Checked >= head.MS {
					t.Errorf("Checked = %d, want before log time, %d, since more may come in this ms", s.Checked, head.MS)
				}
				q := token(here, 1, s, "ada", "tenant:7")
				for _, l := range []*revocation.List{here, there} {
					wantVerdict(t, "at once", verdict(t, l, q), replica.Accept, replica.None)
				}
				time.Sleep(time.Minute)
				for _, l := range []*revocation.List{here, there} {
					wantVerdict(t, "later", verdict(t, l, q), replica.Accept, replica.None)
				}
			})
		})
	}
}

func TestR21SinceIsWhenThePasswordBeganToBeChecked(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Everyone()} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				store.Hook(func(s *revlogtest.Hooks) { // a slow server, so this replica knows its log time badly
					in := s.Store
					s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
						time.Sleep(300 * time.Millisecond)
						p, err := in.Read(ctx, c)
						time.Sleep(100 * time.Millisecond)
						return p, err
					}
				})
				here, there := open(t, store), open(t, store)
				time.Sleep(time.Minute)
				b := replica.Login{Subject: here.Tag(revocation.Subject("ada")), Groups: []revlog.Tag{here.Tag(revocation.Group("tenant:7"))}}
				for i := range 20 {
					time.Sleep(37 * time.Millisecond)
					b.Since = here.Now(t.Context()).LogTime()
					time.Sleep(time.Duration(1+i) * time.Millisecond)
					revoke(t, there, target)
					if _, err := here.Replica().Begin(t.Context(), b); i > 0 && !errors.Is(err, revocation.ErrRevoked) {
						t.Fatalf("revoked %d ms into the login: %v", 1+i, err)
					}
					time.Sleep(500 * time.Millisecond)
					b.Since = here.Now(t.Context()).LogTime()
					if _, err := here.Replica().Begin(t.Context(), b); err != nil {
						t.Fatalf("revoked half a second before: %v", err)
					}
				}
				b.Since = 0
				revoke(t, there, target)
				if _, err := here.Replica().Begin(t.Context(), b); err != nil {
					t.Errorf("no Since given: %v", err)
				}
			})
		})
	}
	if !(revocation.Instant{}).IsZero() {
		t.Error("IsZero is false for the zero Instant")
	}
}

// R21: a session that began while the store was silent may be refused later. It never escapes a
// revocation.
func TestR21LoginWhileTheStoreIsSilent(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		shared := revlog.NewMemory()
		store := scriptedOver(shared)
		here, there := open(t, store), open(t, shared)
		time.Sleep(time.Minute)
		store.silence()
		cut := time.Now().UnixMilli()
		time.Sleep(time.Minute)
		revoke(t, there, revocation.Subject("eve")) // before the login of eve, which cannot know it
		time.Sleep(time.Minute)
		login := func(user string, n byte) *replica.Query {
			s, err := here.Replica().Begin(t.Context(), replica.Login{Subject: here.Tag(revocation.Subject(user)), Since: here.Now(t.Context()).LogTime()})
			if err != nil {
				t.Fatal(err)
			}
			if s.Epoch > cut || s.Checked >= s.Epoch {
				t.Errorf("%+v: later than the log time that this replica knows, %d", s, cut)
			}
			return token(here, n, s, user)
		}
		ada, eve := login("ada", 1), login("eve", 2)
		wantVerdict(t, "meanwhile", verdict(t, here, ada), replica.Accept, replica.None)
		wantVerdict(t, "there", verdict(t, there, ada), replica.Accept, replica.None)
		wantVerdict(t, "there, revoked before the login", verdict(t, there, eve), replica.Refuse, replica.RevokedSubject)
		store.Recover()
		time.Sleep(within)
		wantVerdict(t, "when the store is back", verdict(t, here, ada), replica.Accept, replica.None)
		wantVerdict(t, "when the store is back, revoked", verdict(t, here, eve), replica.Refuse, replica.RevokedSubject)

		store.silence()
		time.Sleep(grace + time.Second)
		if _, err := here.Replica().Begin(t.Context(), replica.Login{Subject: ada.Subject}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("past G: %v", err)
		}
	})
}

func TestR22Succeed(t *testing.T) {
	groups := func(l *revocation.List, names ...string) (out []revlog.Tag) {
		for _, n := range names {
			out = append(out, l.Tag(revocation.Group(n)))
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		kind   replica.Kind
		groups []string
		before func(t *testing.T, there *revocation.List, store scripted, q *replica.Query)
		since  bool // given, from before
		want   error
		ended  bool // the old session ends even so
	}{
		{name: "switch", kind: replica.SetGroups, groups: []string{"tenant:8"}, ended: true},
		{name: "others", kind: replica.Others, groups: []string{"tenant:7"}, ended: true},
		{name: "login over it", kind: replica.Relogin, groups: []string{"tenant:8"}, ended: true},
		{name: "switch of a session revoked elsewhere", kind: replica.SetGroups, groups: []string{"tenant:8"}, before: func(t *testing.T, there *revocation.List, _ scripted, _ *replica.Query) {
			revoke(t, there, revocation.Session(sid(1)))
		}, want: revocation.ErrRevoked, ended: true},
		{name: "others of a session revoked elsewhere", kind: replica.Others, before: func(t *testing.T, there *revocation.List, _ scripted, _ *replica.Query) {
			revoke(t, there, revocation.Session(sid(1)))
		}, want: revocation.ErrRevoked, ended: true},
		{name: "login over a session revoked elsewhere", kind: replica.Relogin, before: func(t *testing.T, there *revocation.List, _ scripted, _ *replica.Query) {
			revoke(t, there, revocation.Session(sid(1)))
		}, want: revocation.ErrRevoked, ended: true},
		{name: "subject revoked elsewhere", kind: replica.SetGroups, before: func(t *testing.T, there *revocation.List, _ scripted, _ *replica.Query) {
			revoke(t, there, revocation.Subject("ada"))
		}, want: revocation.ErrRevoked, ended: true},
		{name: "old group revoked elsewhere", kind: replica.SetGroups, groups: []string{"tenant:8"}, before: func(t *testing.T, there *revocation.List, _ scripted, _ *replica.Query) {
			revoke(t, there, revocation.Group("tenant:7"))
		}, want: revocation.ErrRevoked, ended: true},
		{name: "everyone revoked elsewhere", kind: replica.Others, before: func(t *testing.T, there *revocation.List, _ scripted, _ *replica.Query) {
			revoke(t, there, revocation.Everyone())
		}, want: revocation.ErrRevoked, ended: true},
		{name: "its key revoked elsewhere", kind: replica.SetGroups, before: func(t *testing.T, there *revocation.List, _ scripted, _ *replica.Query) {
			revoke(t, there, revocation.Key("kid-one"))
		}, want: revocation.ErrRevoked, ended: true},
		{name: "switch into a revoked group", kind: replica.SetGroups, groups: []string{"tenant:8"}, before: func(t *testing.T, there *revocation.List, _ scripted, _ *replica.Query) {
			revoke(t, there, revocation.Group("tenant:8"))
		}, want: revocation.ErrRevoked},
		{name: "login over it into a group revoked before", kind: replica.Relogin, groups: []string{"tenant:8"}, before: func(t *testing.T, there *revocation.List, _ scripted, _ *replica.Query) {
			revoke(t, there, revocation.Group("tenant:8"))
		}, ended: true},
		{name: "login over it, revoked while the password was checked", kind: replica.Relogin, since: true, groups: []string{"tenant:8"}, before: func(t *testing.T, there *revocation.List, _ scripted, _ *replica.Query) {
			revoke(t, there, revocation.Group("tenant:8"))
		}, want: revocation.ErrRevoked, ended: true},
		{name: "in doubt: checked before Born", kind: replica.SetGroups, before: func(_ *testing.T, _ *revocation.List, _ scripted, q *replica.Query) {
			q.Checked -= 3 * 60_000
		}, want: revocation.ErrUnavailable},
		{name: "in doubt: checked ahead of log time", kind: replica.Others, before: func(_ *testing.T, _ *revocation.List, _ scripted, q *replica.Query) {
			q.Epoch += 3 * 60_000
		}, want: revocation.ErrUnavailable},
		{name: "silent", kind: replica.Others, before: func(_ *testing.T, _ *revocation.List, s scripted, _ *replica.Query) {
			s.silence()
		}, want: revocation.ErrUnavailable},
		{name: "lost", kind: replica.SetGroups, before: func(_ *testing.T, _ *revocation.List, s scripted, _ *replica.Query) {
			s.flush()
		}, want: revocation.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				here, there := open(t, store), open(t, store)
				time.Sleep(time.Minute)
				other := login(t, here, 9, "ada", "tenant:7")
				q := login(t, here, 1, "ada", "tenant:7")
				time.Sleep(time.Minute)
				how := replica.Succession{Kind: tt.kind, Login: replica.Login{Subject: q.Subject, Groups: groups(here, tt.groups...)}}
				if tt.since {
					how.Login.Since = here.Now(t.Context()).LogTime()
					time.Sleep(10 * time.Millisecond)
				}
				store.Hook(silenceReads) // this replica lags behind, the best case for a thief
				if tt.before != nil {
					tt.before(t, there, store, q)
				}
				old := *q
				s, err := here.Replica().Succeed(t.Context(), q, how)
				if !errors.Is(err, tt.want) {
					t.Fatalf("Succeed = %v, want %v", err, tt.want)
				}
				if err != nil && s != (replica.Start{}) {
					t.Errorf("Succeed returned a successor: %+v", s)
				}
				if tt.ended && tt.want == nil {
					wantVerdict(t, "the old one, here at once", verdict(t, here, &old), replica.Refuse, replica.RevokedSession)
				}
				store.Recover()
				time.Sleep(within)
				if v := verdict(t, there, &old); (v.Outcome == replica.Refuse) != tt.ended && tt.want != revocation.ErrUnavailable {
					t.Errorf("the old one, there: %v", v.Outcome)
				}
				if err != nil {
					return
				}
				next := token(here, 2, s, "ada", tt.groups...)
				for _, l := range []*revocation.List{here, there} {
					wantVerdict(t, "the new one", verdict(t, l, next), replica.Accept, replica.None)
				}
				if keeps := s.Epoch == old.Epoch; keeps != (tt.kind == replica.SetGroups) {
					t.Errorf("Epoch = %d, was %d", s.Epoch, old.Epoch)
				}
				want := replica.Accept
				if tt.kind == replica.Others {
					want = replica.Refuse
				}
				if v := verdict(t, there, other); v.Outcome != want {
					t.Errorf("another session of the subject: %v, want %v", v.Outcome, want)
				}
			})
		})
	}
}

// R22: a check of a session for its groups says nothing about other groups. If the list lost
// entries from after the start of the session, the session cannot join them.
func TestR22JoiningAGroupNeedsAListThatGoesBackToTheBeginning(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		group := func(id string) revlog.Tag { return l.Tag(revocation.Group(id)) }
		q := login(t, l, 1, "ada", "tenant:1")
		time.Sleep(time.Minute)
		revoke(t, l, revocation.Group("tenant:7"))
		time.Sleep(12 * time.Minute) // older than the recent entries: no replica can write it back
		store.flush()
		time.Sleep(10 * time.Second)
		v := verdict(t, l, q) // decided by the kept window
		if v.Outcome != replica.Accept || !v.Renew {
			t.Fatalf("the session: %+v", v)
		}
		q.Checked, q.Term = v.Checked, v.Term
		to := func(groups ...revlog.Tag) error {
			how := replica.Succession{Kind: replica.SetGroups, Login: replica.Login{Subject: q.Subject, Groups: groups}}
			_, err := l.Replica().Succeed(t.Context(), q, how)
			return err
		}
		for _, g := range []string{"tenant:7", "tenant:8"} {
			if err := to(group("tenant:1"), group(g)); !errors.Is(err, revocation.ErrUnavailable) {
				t.Errorf("switch into %s: %v", g, err)
			}
		}
		if err := to(); err != nil {
			t.Errorf("switch out of all groups: %v", err)
		}
		q = login(t, l, 2, "ada", "tenant:1")
		past := q.Checked
		q.Checked = time.Now().Add(time.Hour).UnixMilli()
		if err := to(group("tenant:7")); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("checked ahead of log time: %v", err)
		}
		q.Checked = past
		if err := to(group("tenant:7")); err != nil {
			t.Errorf("after a new login: %v", err)
		}
	})
}

// R7, R22: a write is not acknowledged if fewer replicas of the store hold it than Config.Ack
// wants.
func TestR7FewerReplicasThanAskedFor(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := openWith(t, store, revocation.Config{Ack: revlog.Ack{Replicas: 1}})
		q, old := login(t, l, 1, "ada"), login(t, l, 2, "bob")
		if _, err := l.Replica().Succeed(t.Context(), q, replica.Succession{Kind: replica.Others, Login: replica.Login{Subject: q.Subject}}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("Succeed = %v", err)
		}
		if _, err := l.Revoke(t.Context(), revocation.Session(sid(2)), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("Revoke = %v", err)
		}
		wantVerdict(t, "refused all the same", l.Replica().Decide(old), replica.Refuse, replica.RevokedSession)
	})
}

// Log time moves on while the store is silent, so that it is not behind the start of a session at
// another replica.
func TestLogTime(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		shared := revlog.NewMemory()
		store := scriptedOver(shared)
		here, there := open(t, store), open(t, shared)
		for _, silent := range []bool{false, true} {
			if silent {
				store.silence()
			}
			time.Sleep(grace + time.Minute)
			const rounding = 2
			got, want := here.Replica().LogTime(), there.Replica().Anonymous().Epoch
			if got < want-rounding || got > want+rounding {
				t.Errorf("silent for %v: log time %d, but a session elsewhere begins at %d", silent, got, want)
			}
		}
		silent := scriptedOver(shared)
		silent.silence()
		booting := openWith(t, silent, revocation.Config{StartWithoutStore: true})
		if got, now := booting.Replica().LogTime(), time.Now().UnixMilli(); booting.Ready() || got != now {
			t.Errorf("before the first read: %d at %d", got, now)
		}
		if got, now := revocation.Disabled(revlogtest.Secrets(1)).Replica().LogTime(), time.Now().UnixMilli(); got != now {
			t.Errorf("without a list: %d at %d", got, now)
		}
	})
}

func TestClosedAndDisabledLists(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := open(t, revlog.NewMemory())
		q := login(t, l, 1, "ada")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Replica().Succeed(t.Context(), q, replica.Succession{Kind: replica.Relogin}); !errors.Is(err, revocation.ErrClosed) {
			t.Errorf("Succeed after Close = %v", err)
		}
		if l.Ready() || l.Stats().State != "closed" {
			t.Errorf("Ready %v, State %q", l.Ready(), l.Stats().State)
		}

		d := revocation.Disabled(revlogtest.Secrets(1))
		now := time.Now().UnixMilli()
		if s := d.Replica().Anonymous(); s.Epoch < now {
			t.Errorf("Anonymous = %+v", s)
		}
		if s, err := d.Replica().Begin(t.Context(), replica.Login{Since: d.Now(t.Context()).LogTime()}); err != nil || s.Epoch < now {
			t.Errorf("Begin = %+v, %v", s, err)
		}
		if s, err := d.Replica().Succeed(t.Context(), q, replica.Succession{Kind: replica.SetGroups}); err != nil || s.Epoch != q.Epoch {
			t.Errorf("SetGroups = %+v, %v", s, err)
		}
		if s, err := d.Replica().Succeed(t.Context(), q, replica.Succession{Kind: replica.Relogin}); err != nil || s.Epoch < now {
			t.Errorf("Relogin = %+v, %v", s, err)
		}
		if !d.Replica().SameSecrets(revlogtest.Secrets(1)) || d.Replica().SameSecrets(revlogtest.Secrets(2)) {
			t.Error("SameSecrets")
		}
	})
}
