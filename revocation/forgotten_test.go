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
)

// R22: a group that was revoked just before the login stays closed to the session, also
// where the store has forgotten that: else replicas that know it refuse the successor.
func TestR22AGroupRevokedJustBeforeTheLoginStaysClosed(t *testing.T) {
	for name, passes := range map[string]func(*testing.T, revlog.Store){
		"the store remembers": func(*testing.T, revlog.Store) {},
		"the store forgot":    func(t *testing.T, s revlog.Store) { leap(t, s, 4*time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				l := open(t, store)
				revoke(t, l, revocation.Group("tenant:7"))
				q := login(t, l, 1, "ada", "tenant:1")
				time.Sleep(time.Minute)
				passes(t, store.Unwrap())
				time.Sleep(time.Second)
				d := verdict(t, l, q)
				wantVerdict(t, "the session", d, replica.Accept, replica.None)
				q.Checked, q.Term = d.Checked, d.Term
				to := func(group string) error {
					groups := []revlog.Tag{l.Tag(revocation.Group("tenant:1")), l.Tag(revocation.Group(group))}
					_, err := l.Replica().Succeed(t.Context(), q, replica.Succession{Kind: replica.SetGroups, Login: replica.Login{Subject: q.Subject, Groups: groups}})
					return err
				}
				if err := to("tenant:7"); !errors.Is(err, revocation.ErrRevoked) {
					t.Errorf("into the group that was revoked: %v", err)
				}
				if err := to("tenant:8"); err != nil {
					t.Errorf("into another one: %v", err)
				}
			})
		})
	}
}

// R22, R27: what a store says that may have forgotten makes no successor.
func TestR22AStoreThatForgotMakesNoSuccessor(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here, there := open(t, store), open(t, store)
		q := login(t, here, 1, "ada")
		time.Sleep(time.Minute)
		store.Hook(silenceReads) // this replica lags
		if _, err := there.RevokeMany(t.Context(), slices.Values([]revocation.Target{revocation.Session(sid(1))}), nil); err != nil {
			t.Fatal(err)
		}
		leap(t, store.Unwrap(), 4*time.Hour)
		how := replica.Succession{Kind: replica.SetGroups, Login: replica.Login{Subject: q.Subject}}
		if s, err := here.Replica().Succeed(t.Context(), q, how); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("Succeed = %+v, %v", s, err)
		}
	})
}
