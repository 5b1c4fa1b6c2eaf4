package revocation_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// promote gives the list in s to another primary, which lacks nothing and opens its term at once.
func promote(t *testing.T, s scripted) revlog.Term {
	t.Helper()
	e, h := entries(t, s)
	opened := revlog.Term{ID: 9, Start: h.MS, Opened: h.MS}
	state := revlog.State{Head: h, Entries: e}
	state.Head.Terms = append(slices.Clone(h.Terms), opened)
	state.Exact = append(state.Exact, e...)
	s.Hook(func(s *revlogtest.Hooks) {
		s.Store = memoryOf(state)
	})
	return opened
}

// R19: for S after the start of a new primary, replicas may still be writing back what it lacks.
// Until then no session is renewed.
func TestR19NothingIsRenewedRightAfterANewPrimary(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		time.Sleep(time.Second)
		promote(t, store)
		for _, tt := range []struct {
			after time.Duration
			renew bool
		}{{500 * time.Millisecond, false}, {time.Second, false}, {time.Second, true}} {
			time.Sleep(tt.after)
			v := verdict(t, l, q)
			if v.Outcome != replica.Accept || !v.Fresh || v.Renew != tt.renew {
				t.Errorf("%v later: %+v, want renewals %v", tt.after, v, tt.renew)
			}
			if v.Renew && v.Term == q.Term {
				t.Errorf("renewed in the term before")
			}
		}
		promote(t, store)
		time.Sleep(time.Second)
		before := store.Confirms()
		q.Term = 77 // so that the replica asks the store
		for range 2 {
			if v := verdict(t, l, q); v.Outcome != replica.Accept || v.Renew {
				t.Errorf("asked right after a new primary: %+v", v)
			}
		}
		if n := store.Confirms() - before; n != 2 {
			t.Errorf("asked %d times: the first answer was remembered", n)
		}
		time.Sleep(within)
		if v := verdict(t, l, q); v.Outcome != replica.Accept || !v.Renew {
			t.Errorf("asked S later: %+v", v)
		}
	})
}

// R22: during that time no session gets a successor either.
func TestR22NoSuccessorRightAfterANewPrimary(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada", "tenant:7")
		time.Sleep(time.Second)
		promote(t, store)
		time.Sleep(time.Second)
		how := replica.Succession{Kind: replica.Others, Login: replica.Login{Subject: q.Subject, Groups: q.GroupTags[:q.Groups]}}
		if s, err := l.Replica().Succeed(t.Context(), q, how); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("right after a new primary: %+v, %v", s, err)
		}
		if n := len(store.Writes()); n != 0 {
			t.Errorf("%d writes: the old session may have ended", n)
		}
		time.Sleep(within)
		if _, err := l.Replica().Succeed(t.Context(), q, how); err != nil {
			t.Errorf("S later: %v", err)
		}
	})
}

// R17: the log time of a deposed primary may be ahead of the start of its successor. A session that
// began at the deposed primary, after the first watermark of the successor, does not escape that
// watermark.
func TestR17ASessionAheadOfASuccessorIsRevoked(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		time.Sleep(time.Minute)
		line := promote(t, store)
		// It continued for a while through the old primary, whose clock is ahead.
		q.Epoch = line.Opened + within.Milliseconds() + 1000
		q.Checked = line.Opened + 100
		time.Sleep(500 * time.Millisecond)
		revoke(t, l, revocation.Subject("ada"))
		since, _, err := l.Revoked(t.Context(), revocation.Subject("ada"))
		if err != nil || since.UnixMilli() >= q.Epoch {
			t.Fatalf("the watermark reaches it: %v, %v", since, err)
		}
		time.Sleep(time.Second)
		wantVerdict(t, "revoked since", verdict(t, l, q), replica.Refuse, replica.RevokedSubject)
		other := *q
		other.Subject, other.Session = l.Tag(revocation.Subject("bob")), [16]byte{2}
		wantVerdict(t, "another subject", verdict(t, l, &other), replica.Accept, replica.None)
	})
}
