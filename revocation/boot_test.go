package revocation_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A process that starts while the store is silent decides nothing until the store answers.
func TestStartWithoutStore(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, j := at{script()}, new(journal)
		there := open(t, store)
		q, stolen, keyed := login(t, there, 1, "ada"), login(t, there, 2, "bob"), login(t, there, 3, "carol")
		keyed.Keys[0] = "kid-two"
		time.Sleep(time.Second)
		revoke(t, there, revocation.Subject("eve"))
		store.silence()
		began := time.Now()
		l, err := revocation.Open(t.Context(), store, revlogtest.Secrets(1), revocation.Config{StartWithoutStore: true, Logger: j.logger(), Audit: slog.DiscardHandler})
		if err != nil || time.Since(began) > within/2 {
			t.Fatalf("Open = %v after %v", err, time.Since(began))
		}
		defer l.Close()
		wantLines(t, j, "at once", "WARN waiting for the store, to join the list; Redis at 10.0.0.1; no answer")

		ctx := t.Context()
		if l.Ready() || l.Stats().State != "booting" || l.Replica().ListID() != (revlog.ListID{}) {
			t.Errorf("Ready = %v, %+v", l.Ready(), l.Stats())
		}
		wantVerdict(t, "anybody", verdict(t, l, q), replica.Undecided, replica.Silent)
		wantVerdict(t, "a session without a subject", verdict(t, l, &replica.Query{Epoch: q.Epoch}), replica.Undecided, replica.Silent)
		since := l.Now(t.Context())
		if since.IsZero() {
			t.Error("ready to begin a login before the list is joined")
		}
		eve := replica.Login{Subject: l.Tag(revocation.Subject("eve")), Since: since.LogTime()}
		_, begin := l.Replica().Begin(ctx, eve)
		_, succeed := l.Replica().Succeed(ctx, q, replica.Succession{Kind: replica.Others, Login: eve})
		_, many := l.RevokeMany(ctx, func(func(revocation.Target) bool) {}, nil)
		_, subject := l.Revoke(ctx, revocation.Subject("ada"), revocation.Options{})
		for name, err := range map[string]error{"Begin": begin, "Succeed": succeed, "RevokeMany": many, "Revoke": subject} {
			if !errors.Is(err, revocation.ErrNotReady) || !errors.Is(err, revocation.ErrUnavailable) {
				t.Errorf("%s = %v", name, err)
			}
		}
		anonymous := l.Replica().Anonymous()

		// A logout waits for the store. This replica refuses the session at once.
		if _, err := l.Revoke(ctx, revocation.Session(sid(2)), revocation.Options{Subject: "bob"}); !errors.Is(err, revocation.ErrUnavailable) || errors.Is(err, revocation.ErrNotReady) {
			t.Errorf("Revoke = %v", err)
		}
		if _, err := l.Revoke(ctx, revocation.Key("kid-two"), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) || errors.Is(err, revocation.ErrNotReady) {
			t.Errorf("Revoke = %v", err)
		}
		wantVerdict(t, "logged out here", verdict(t, l, stolen), replica.Refuse, replica.RevokedSession)
		wantVerdict(t, "sealed with the revoked key", verdict(t, l, keyed), replica.Refuse, replica.RevokedKey)
		if !l.Replica().KeyRevoked("kid-two") || l.Replica().KeyRevoked("kid-one") {
			t.Error("KeyRevoked does not know the key that was revoked here")
		}
		if _, ok, err := l.Revoked(ctx, revocation.Session(sid(2))); !ok || !errors.Is(err, revocation.ErrLookup) {
			t.Errorf("Revoked = %v, %v", ok, err)
		}
		if all, err := l.Replicas(ctx); len(all) != 1 || all[0].State != "booting" {
			t.Errorf("Replicas = %+v, %v", all, err)
		}

		time.Sleep(10 * time.Minute)
		if n := len(j.lines(t)); n < 9 || n > 11 {
			t.Errorf("%d log lines in ten minutes", n)
		}
		store.Recover()
		time.Sleep(time.Second)
		wantLines(t, j, "when the store answers", "INFO the list is joined; Redis at 10.0.0.1; 10m0s")
		if !l.Ready() || l.Stats().State != "synced" || l.Stats().Outbox != 0 {
			t.Errorf("Ready = %v, %+v", l.Ready(), l.Stats())
		}
		wantVerdict(t, "anybody", verdict(t, l, q), replica.Accept, replica.None)
		wantVerdict(t, "an anonymous session from before", verdict(t, l, &replica.Query{Epoch: anonymous.Epoch, Checked: anonymous.Checked, Term: anonymous.Term}), replica.Accept, replica.None)
		wantVerdict(t, "logged out here, at another replica", verdict(t, there, stolen), replica.Refuse, replica.RevokedSession)
		wantVerdict(t, "sealed with the revoked key, at another replica", verdict(t, there, keyed), replica.Refuse, replica.RevokedKey)
		if _, err := l.Replica().Begin(ctx, eve); !errors.Is(err, revocation.ErrRevoked) {
			t.Errorf("a login of a revoked subject that began before the list was joined: %v", err)
		}
		if _, err := l.Replica().Begin(ctx, replica.Login{Subject: eve.Subject, Since: l.Now(t.Context()).LogTime()}); err != nil {
			t.Errorf("second try: %v", err)
		}
		there.Close()
		later := open(t, store)
		if !later.Replica().KeyRevoked("kid-two") {
			t.Error("the key is forgotten")
		}
	})
}

// Open refuses the list of another ring at once if it can read it. Later, the replica logs an
// error.
func TestStartWithoutStoreAndWithTheWrongKey(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, j := at{script()}, new(journal)
		open(t, store)
		config := revocation.Config{StartWithoutStore: true, Logger: j.logger(), Audit: slog.DiscardHandler}
		if _, err := revocation.Open(t.Context(), store, revlogtest.Secrets(2), config); !errors.Is(err, revocation.ErrWrongKey) {
			t.Errorf("Open = %v", err)
		}
		store.silence()
		l, err := revocation.Open(t.Context(), store, revlogtest.Secrets(2), config)
		if err != nil {
			t.Fatal(err)
		}
		j.lines(t)
		store.Recover()
		time.Sleep(90 * time.Second)
		line := "ERROR this process does not get ready; Redis at 10.0.0.1; " + revocation.ErrWrongKey.Error()
		wantLines(t, j, "once a minute", line, line)
		if l.Ready() {
			t.Error("ready with the list of another ring")
		}
		l.Revoke(t.Context(), revocation.Session(sid(1)), revocation.Options{})
		if err := l.Close(); !errors.Is(err, revocation.ErrUnavailable) {
			t.Errorf("Close = %v, want an error for one lost revocation", err)
		}
	})
}

// While the store is silent, Revoked returns what this replica knows, and ErrLookup.
func TestRevokedWhileTheStoreIsSilent(t *testing.T) {
	for _, target := range []revocation.Target{
		revocation.Session(sid1), revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Key("kid-one"), revocation.Everyone(),
	} {
		t.Run(target.Scope().String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				here, there := open(t, store), open(t, store)
				ask := func(l *revocation.List) (time.Time, bool) {
					t.Helper()
					since, ok, err := l.Revoked(t.Context(), target)
					if !errors.Is(err, revocation.ErrLookup) || !errors.Is(err, revocation.ErrUnavailable) || !errors.Is(err, errSilent) {
						t.Errorf("Revoked = %v", err)
					}
					return since, ok
				}
				store.silence()
				if _, ok := ask(there); ok {
					t.Error("ok for a target that was never revoked")
				}
				here.Revoke(t.Context(), target, revocation.Options{})
				if _, ok := ask(here); !ok {
					t.Error("a revocation made here is unknown here")
				}
				store.Recover()
				time.Sleep(within)
				since, ok, err := there.Revoked(t.Context(), target)
				if err != nil || !ok {
					t.Fatalf("Revoked = %v, %v", ok, err)
				}
				store.silence()
				if known, ok := ask(there); !ok || !known.Equal(since) {
					t.Errorf("read from the log before: %v, %v, want %v", known, ok, since)
				}
			})
		})
	}
}
