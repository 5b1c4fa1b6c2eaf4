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

func TestR17Judge(t *testing.T) {
	const ep, ms = 1000, 5000
	question := revlog.Question{
		Session: revlog.Tag{1}, Subject: revlog.Tag{1}, Groups: []revlog.Tag{{1}, {2}}, Keys: []revlog.Tag{{1}, {2}}, Epoch: ep, Checked: 900, Skew: within,
	}
	found := func(scope revlog.Scope, tag byte, w int64) revlog.Entry {
		return revlog.Entry{Effect: revlog.End.Byte(), Scope: scope, Tag: revlog.Tag{tag}, W: w}
	}
	skew := within.Milliseconds()
	head := revlog.Head{Born: 500, MS: ms}
	for _, tt := range []struct {
		name   string
		found  []revlog.Entry
		change func(*revlog.Question)
		want   revlog.Finding
		scope  revlog.Scope
	}{
		{name: "nothing", want: revlog.FoundNothing},
		{name: "session", found: []revlog.Entry{found(revlog.ScopeSession, 1, revlog.Forever)}, want: revlog.FoundRevoked, scope: revlog.ScopeSession},
		{name: "subject at ep", found: []revlog.Entry{found(revlog.ScopeSubject, 1, ep)}, want: revlog.FoundRevoked, scope: revlog.ScopeSubject},
		{name: "subject before ep", found: []revlog.Entry{found(revlog.ScopeSubject, 1, ep-1)}, want: revlog.FoundNothing},
		{name: "group at ep", found: []revlog.Entry{found(revlog.ScopeGroup, 2, ep)}, want: revlog.FoundRevoked, scope: revlog.ScopeGroup},
		{name: "groups before ep", found: []revlog.Entry{found(revlog.ScopeGroup, 1, ep-1), found(revlog.ScopeGroup, 2, ep-1)}, want: revlog.FoundNothing},
		{name: "everyone at ep", found: []revlog.Entry{found(revlog.ScopeEveryone, 0, ep)}, want: revlog.FoundRevoked, scope: revlog.ScopeEveryone},
		{name: "everyone before ep", found: []revlog.Entry{found(revlog.ScopeEveryone, 0, ep-1)}, want: revlog.FoundNothing},
		{name: "second key", found: []revlog.Entry{found(revlog.ScopeKey, 2, revlog.Forever)}, want: revlog.FoundRevoked, scope: revlog.ScopeKey},
		{name: "entries about other sessions and keys", found: []revlog.Entry{found(revlog.ScopeSession, 9, revlog.Forever), found(revlog.ScopeKey, 9, revlog.Forever)}, want: revlog.FoundNothing},
		{name: "nothing found, ep missing", change: func(q *revlog.Question) { q.Epoch = 0 }, want: revlog.FoundNothing},
		{name: "chk at Born", change: func(q *revlog.Question) { q.Checked = 500 }, want: revlog.FoundNothing},
		{name: "chk before Born", change: func(q *revlog.Question) { q.Checked = 499 }, want: revlog.FoundUnknown},
		{name: "chk at ms + S", change: func(q *revlog.Question) { q.Checked = ms + skew }, want: revlog.FoundNothing},
		{name: "chk past ms + S", change: func(q *revlog.Question) { q.Checked = ms + skew + 1 }, want: revlog.FoundUnknown},
		{name: "ep at now + ε", change: func(q *revlog.Question) { q.Epoch = ms + skew }, want: revlog.FoundNothing},
		{name: "ep past now + ε", change: func(q *revlog.Question) { q.Epoch = ms + skew + 1 }, want: revlog.FoundAhead},
		{name: "checked before Born, and revoked", found: []revlog.Entry{found(revlog.ScopeSubject, 1, ep)}, change: func(q *revlog.Question) { q.Checked = 0 }, want: revlog.FoundRevoked, scope: revlog.ScopeSubject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, q := revlog.Answer{Head: head, Now: ms, Found: tt.found}, question
			if tt.change != nil {
				tt.change(&q)
			}
			if found, scope := a.Judge(q); found != tt.want || scope != tt.scope {
				t.Errorf("Judge = %v %v, want %v %v", found, scope, tt.want, tt.scope)
			}
		})
	}
}

// The exact set decides about a filter match older than the recent entries, either way.
func TestR17TheExactSetDecidesWhatFiltersCannot(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		time.Sleep(2 * time.Minute)
		q := login(t, l, 1, "ada", "tenant:7")
		time.Sleep(time.Second)
		revoke(t, l, revocation.Session(sid(1)))
		time.Sleep(12 * time.Minute)
		if v := l.Replica().Decide(q); v.Outcome != replica.Ask || !v.Fresh {
			t.Fatalf("Decide = %+v, want ask", v)
		}
		before := store.Confirms()
		v := l.Replica().Confirm(t.Context(), q)
		wantVerdict(t, "Confirm", v, replica.Refuse, replica.RevokedSession)
		if !v.Fresh || store.Confirms() != before+1 {
			t.Errorf("Fresh %v after %d questions", v.Fresh, store.Confirms()-before)
		}
	})
}

// R16: the list neither writes nor asks about sessions without a subject.
func TestR16AnonymousSessionsAreNeverWrittenOrAsked(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := openWith(t, store, revocation.Config{MaxIdle: 20 * time.Minute, Grace: 5 * time.Minute})
		time.Sleep(time.Minute)
		s := l.Replica().Anonymous()
		q := &replica.Query{Session: [16]byte{15: 1}, Keys: [2]string{"kid-one"}, Epoch: s.Epoch, Checked: s.Checked, Term: s.Term}
		revoke(t, l, revocation.Session(sid(1))) // a caller may still try
		before := store.Confirms()
		check := func(what string, fresh bool) {
			t.Helper()
			v := l.Replica().Decide(q)
			wantVerdict(t, what, v, replica.Accept, replica.None)
			if v.Fresh != fresh || v.Renew != fresh {
				t.Errorf("%s: %+v", what, v)
			}
			wantVerdict(t, what+", confirmed", l.Replica().Confirm(t.Context(), q), replica.Accept, replica.None)
		}
		check("synced", true)
		time.Sleep(20 * time.Minute)
		check("long unseen", true)
		store.silence()
		time.Sleep(6 * time.Minute)
		check("cut off, past G", false)
		if n := store.Confirms() - before; n != 0 {
			t.Errorf("asked %d times", n)
		}
		store.Recover()
		time.Sleep(time.Second)
		revoke(t, l, revocation.Everyone())
		wantVerdict(t, "everyone", l.Replica().Decide(q), replica.Refuse, replica.RevokedEveryone)
		if s := l.Replica().Anonymous(); s.Epoch <= q.Epoch {
			t.Errorf("Epoch = %d", s.Epoch)
		} else {
			q := &replica.Query{Session: [16]byte{15: 2}, Epoch: s.Epoch, Checked: s.Checked, Term: s.Term}
			wantVerdict(t, "begun after everyone", l.Replica().Decide(q), replica.Accept, replica.None)
			time.Sleep(40 * time.Minute) // however late its exp may be by a wrong clock, the list forgets the revocation of everyone
			wantVerdict(t, "unseen for longer than the list remembers", l.Replica().Decide(q), replica.Refuse, replica.Stale)
		}
	})
}

// The state table of the protocol.
func TestStates(t *testing.T) {
	type seen struct {
		Outcome replica.Outcome
		Reason  replica.Reason
		Fresh   bool
		Renew   bool
	}
	lost := func(s scripted) {
		s.silence()
		s.Hook(func(s *revlogtest.Hooks) {
			s.Read = func(context.Context, revlog.Cursor) (revlog.Page, error) {
				return revlog.Page{}, revlog.ErrLost
			}
			s.Confirm = func(context.Context, revlog.Question) (revlog.Answer, error) {
				return revlog.Answer{}, revlog.ErrLost
			}
		})
	}
	refusing := func(s scripted) {
		s.Hook(func(s *revlogtest.Hooks) {
			silenceReads(s)
			s.Confirm = func(context.Context, revlog.Question) (revlog.Answer, error) {
				return revlog.Answer{}, errors.New("refused")
			}
		})
	}
	// A primary that takes no writes any more: it answers, but makes no heartbeats.
	noHeartbeat := func(s scripted) {
		s.Hook(func(s *revlogtest.Hooks) {
			in, read := s.Store, s.Read
			s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				p, err := read(ctx, c)
				p.Heartbeat = within + time.Second
				return p, err
			}
			s.Confirm = func(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
				a, err := in.Confirm(ctx, q)
				a.Heartbeat = within + time.Second
				return a, err
			}
		})
	}
	stale := func(s scripted) { s.Hook(silenceReads) }
	accepted := seen{Outcome: replica.Accept, Fresh: true, Renew: true}
	frozen := seen{Outcome: replica.Accept}
	undecided := seen{Reason: replica.Silent}
	refused := seen{Outcome: replica.Refuse, Reason: replica.RevokedSession}
	for _, tt := range []struct {
		name  string
		state string
		do    func(scripted)
		after time.Duration
		clear seen // a session that the window decides
		dead  seen // one that it knows to be revoked
		old   seen // one that it must ask about
		asks  bool // whether the replica asks about clear
	}{
		{"synced", "synced", func(scripted) {}, time.Second, accepted, seen{replica.Refuse, replica.RevokedSession, true, false}, accepted, false},
		{"silent for less than S", "synced", scripted.silence, within - 500*time.Millisecond, accepted, seen{replica.Refuse, replica.RevokedSession, true, false}, undecided, false},
		{"stale", "stale", stale, within + time.Second, seen{replica.Accept, replica.None, true, false}, refused, seen{replica.Accept, replica.None, true, false}, true},
		{"stale, past G", "stale", stale, grace + time.Minute, seen{replica.Accept, replica.None, true, false}, refused, seen{replica.Accept, replica.None, true, false}, true},
		{"cut off", "cut_off", scripted.silence, within + time.Second, frozen, refused, undecided, true},
		{"cut off, nearly G", "cut_off", scripted.silence, grace - time.Second, frozen, refused, undecided, true},
		{"cut off, past G", "cut_off", scripted.silence, grace + time.Second, undecided, refused, undecided, true},
		{"lost", "cut_off", lost, within + time.Second, frozen, refused, undecided, true},
		{"refused", "cut_off", refusing, within + time.Second, frozen, refused, undecided, true},
		{"a store without heartbeats", "cut_off", noHeartbeat, within + time.Second, frozen, refused, undecided, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				first := open(t, store)
				old := login(t, first, 3, "ada")
				revoke(t, first, revocation.Session(sid(99)))
				first.Close()
				time.Sleep(time.Hour)
				store.Hook(func(s *revlogtest.Hooks) { // no older entries are filled in
					in := s.Store
					s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
						if c.From.N == 0 && time.Now().UnixMilli()-c.From.MS > 30*60_000 {
							return revlog.Page{}, errSilent
						}
						return in.Read(ctx, c)
					}
				})
				l := open(t, store)
				clear, dead := login(t, l, 1, "ada"), login(t, l, 2, "ada")
				revoke(t, l, revocation.Session(sid(2)))
				time.Sleep(time.Second)
				tt.do(store)
				time.Sleep(tt.after)
				before := store.Confirms()
				get := func(q *replica.Query) seen {
					v := verdict(t, l, q)
					return seen{v.Outcome, v.Reason, v.Fresh, v.Renew}
				}
				if got := get(clear); got != tt.clear {
					t.Errorf("clear: %+v, want %+v", got, tt.clear)
				}
				if asked := store.Confirms() > before; asked != tt.asks {
					t.Errorf("clear: asked %v", asked)
				}
				before = store.Confirms()
				if got := get(dead); got != tt.dead {
					t.Errorf("revoked: %+v, want %+v", got, tt.dead)
				}
				if store.Confirms() != before {
					t.Error("asked about a session known to be revoked")
				}
				if got := get(old); got != tt.old {
					t.Errorf("long unseen: %+v, want %+v", got, tt.old)
				}
				if s := l.Stats(); s.State != tt.state {
					t.Errorf("State = %q, want %q", s.State, tt.state)
				}
				if !l.Ready() { // R15: an outage of the store must not become one of the site
					t.Error("not ready")
				}

				store.Recover()
				time.Sleep(time.Second)
				if got := get(clear); got != accepted && tt.name != "lost" {
					t.Errorf("clear, when the store is healthy again: %+v", got)
				}
				if s := l.Stats(); s.State != "synced" {
					t.Errorf("State = %q when the store is healthy again", s.State)
				}
			})
		})
	}
}

// After one question to a silent store, further requests do not wait for it.
func TestCutOffAsksNoMoreUntilTheReaderHears(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		q := login(t, l, 1, "ada")
		store.silence()
		time.Sleep(within + time.Second)
		for range 1000 {
			wantVerdict(t, "cut off", verdict(t, l, session(q, 1)), replica.Accept, replica.None)
		}
		if n := store.Confirms(); n > 3 { // the login asked one of them
			t.Errorf("%d confirms", n)
		}
	})
}

// R17: after a loss, only the kept window decides about sessions from before it.
func TestR17UnknownAfterALoss(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		clear, dead, early := login(t, l, 1, "ada"), login(t, l, 2, "bob"), login(t, l, 3, "eve")
		time.Sleep(time.Minute)
		revoke(t, l, revocation.Session(sid(2)))
		revoke(t, l, revocation.Session(sid(3)))
		time.Sleep(20 * time.Minute) // older than the recent entries: no replica can write it back
		fresh := login(t, l, 4, "ada")
		revoke(t, l, revocation.Session(sid(4)))
		time.Sleep(time.Second)
		store.flush()
		time.Sleep(10 * time.Second)
		if n := l.Stats().Anomalies["lost"]; n != 1 {
			t.Fatalf("lost %d times", n)
		}
		v := verdict(t, l, clear)
		wantVerdict(t, "no hit", v, replica.Accept, replica.None)
		if !v.Renew {
			t.Error("no hit: not renewed, so the replica would ask about it for ever")
		}
		wantVerdict(t, "hit", verdict(t, l, dead), replica.Refuse, replica.ListLost)
		wantVerdict(t, "among the recent entries", verdict(t, l, fresh), replica.Refuse, replica.RevokedSession)
		if a := l.Stats().Anomalies; a["settled_miss"] == 0 || a["settled_hit"] == 0 {
			t.Errorf("not counted: %v", a)
		}

		booted := open(t, store) // it has read nothing of the lost list
		wantVerdict(t, "booted, within a minute", verdict(t, booted, early), replica.Undecided, replica.Silent)
		wantVerdict(t, "booted, among the recent entries of the other", verdict(t, booted, fresh), replica.Refuse, replica.RevokedSession)
		time.Sleep(time.Minute)
		wantVerdict(t, "booted, later", verdict(t, booted, early), replica.Refuse, replica.ListLost)
		wantVerdict(t, "booted, a new login", verdict(t, booted, login(t, booted, 5, "ada")), replica.Accept, replica.None)
		clear.Checked, clear.Term = v.Checked, v.Term
		wantVerdict(t, "booted, the renewed one", verdict(t, booted, clear), replica.Accept, replica.None)
	})
}

// R17: if another replica had followed a later primary of the lost list, the window of this replica
// may end before the loss, however late its log time was.
func TestR17AWindowOfAnotherTermDecidesNothing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		clear := login(t, l, 1, "ada")
		revoke(t, l, revocation.Session(sid(99)))
		time.Sleep(time.Minute)
		store.flush()
		time.Sleep(within)
		wantVerdict(t, "its own", verdict(t, l, clear), replica.Accept, replica.None)
		head, err := store.Create(t.Context(), revlog.CreateOptions{})
		if err != nil || head.Known == 0 || head.KnownTerm == 0 {
			t.Fatalf("the loss is recorded as %+v, %v", head, err)
		}
		if _, err := store.Write(t.Context(), revlog.Repair{List: head.ID, Known: 1, KnownTerm: 77}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(within)
		wantVerdict(t, "another replica had read further", verdict(t, l, clear), replica.Undecided, replica.Silent)
		time.Sleep(time.Minute)
		wantVerdict(t, "a minute later", verdict(t, l, clear), replica.Refuse, replica.ListLost)
	})
}

// tellKnown does what a replica does that has read further, in a term that s does not know.
func tellKnown(t *testing.T, s revlog.Store, term uint32) {
	t.Helper()
	head, err := s.Create(t.Context(), revlog.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(t.Context(), revlog.Repair{List: head.ID, Known: head.MS, KnownTerm: term}); err != nil {
		t.Fatal(err)
	}
}

// R17: a list that lacked something still lacks it after it is lost. So the kept window does not
// decide about sessions that were checked before the list was complete.
func TestR17AWindowAnswersForNothingItsListLacked(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		l := open(t, store)
		before := login(t, l, 1, "ada")
		time.Sleep(time.Minute)
		tellKnown(t, store, 77)
		time.Sleep(within)
		since := login(t, l, 2, "ada")
		wantVerdict(t, "checked before", verdict(t, l, before), replica.Undecided, replica.Silent)
		time.Sleep(within)
		store.flush()
		time.Sleep(2 * within)
		wantVerdict(t, "lost, checked before", verdict(t, l, before), replica.Undecided, replica.Silent)
		wantVerdict(t, "lost, checked since", verdict(t, l, since), replica.Accept, replica.None)
		time.Sleep(time.Minute)
		wantVerdict(t, "a minute later", verdict(t, l, before), replica.Refuse, replica.ListLost)
	})
}

// R23: the decision at commit sees revocations made during the request.
func TestR23DecideAtCommit(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		l := open(t, revlog.NewMemory())
		q := login(t, l, 1, "ada")
		wantVerdict(t, "on entry", l.Replica().Decide(q), replica.Accept, replica.None)
		revoke(t, l, revocation.Session(sid(1)))
		wantVerdict(t, "at commit", l.Replica().Decide(q), replica.Refuse, replica.RevokedSession)
	})
}
