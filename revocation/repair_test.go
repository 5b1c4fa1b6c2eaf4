package revocation_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// revokeEach revokes the sessions from sid(first) on.
func revokeEach(t *testing.T, l *revocation.List, first, n int) {
	t.Helper()
	for i := range n {
		revoke(t, l, revocation.Session(sid(first+i)))
	}
}

// entriesOf returns the entries that w writes back, and whether they are quiet.
func entriesOf(w revlog.Write) (all []revlog.Assertion, quiet bool) {
	switch w := w.(type) {
	case revlog.Repair:
		return w.Assertions, false
	case revlog.Bulk:
		return w.Assertions, true
	}
	return nil, false
}

// restored returns how many entries were written back, and how many writes it took.
func restored(writes []revlog.Write) (entries, batches int) {
	for _, w := range writes {
		if all, _ := entriesOf(w); len(all) > 0 {
			entries, batches = entries+len(all), batches+1
		}
	}
	return entries, batches
}

// refusedBy checks that each list refuses the sessions from sid(first) on.
func refusedBy(t *testing.T, lists map[string]*revocation.List, q *replica.Query, first, n int) {
	t.Helper()
	for name, l := range lists {
		for i := range n {
			c := session(q, 0)
			c.Session[14], c.Session[15] = byte((first+i)>>8), byte(first+i)
			if v := verdict(t, l, c); v.Outcome != replica.Refuse {
				t.Errorf("%s, the session %d: %v %v", name, first+i, v.Outcome, v.Reason)
				break
			}
		}
	}
}

// R26: the first write of a repair records the loss, together with the entries that other replicas
// may not have read.
func TestR26DoubtAndTheNewestEntriesGoFirst(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here := open(t, store)
		revokeEach(t, here, 1, 3)
		revoke(t, here, revocation.Key("leaked"))
		time.Sleep(10 * time.Second)
		revokeEach(t, here, 11, 2)
		time.Sleep(time.Second)
		before := len(store.Writes())
		store.flush()
		time.Sleep(time.Second)
		first, _ := store.Writes()[before].(revlog.Repair)
		var scopes string
		for _, a := range first.Assertions {
			scopes += string(a.Scope)
		}
		if first.Known == 0 || scopes != "kss" {
			t.Errorf("the first write: known %d, entries %q; want the key and the two newest sessions", first.Known, scopes)
		}
		time.Sleep(time.Second)
		for i := range 3 {
			h, err := store.Create(t.Context(), revlog.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			a, err := store.Confirm(t.Context(), revlog.Question{List: h.ID, Session: here.Tag(revocation.Session(sid(1 + i)))})
			if err != nil || len(a.Found) == 0 {
				t.Errorf("the session %d is not in the store: %v", 1+i, err)
			}
		}
		if log, _ := entries(t, store); len(log) != 3 {
			t.Errorf("%d entries in the log: all replicas know them, but would have to read them again", len(log))
		}
	})
}

// R26: one replica writes back the entries that many replicas hold.
func TestR26OneReplicaWritesTheRest(t *testing.T) {
	const replicas, revoked = 5, 2000
	for _, tt := range []struct {
		name string
		most int // number of entries written, at most
	}{
		{"all of the data is lost", revoked + 10},
		{"the end of the log is lost", revoked + 500*replicas},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				lists := map[string]*revocation.List{}
				for i := range replicas {
					lists[string(rune('a'+i))] = open(t, store)
				}
				q := login(t, lists["a"], 200, "ada")
				old := snapshot(t, store)
				revokeEach(t, lists["a"], 1000, revoked)
				time.Sleep(10 * time.Second)
				before := len(store.Writes())
				if tt.name == "all of the data is lost" {
					store.flush()
				} else {
					store.Replace(old)
				}
				time.Sleep(within)
				if n, _ := restored(store.Writes()[before:]); n > tt.most {
					t.Errorf("%d entries were written, want %d at the most", n, tt.most)
				}
				lists["booted"] = open(t, store)
				refusedBy(t, lists, q, 1000, revoked)
				for name, l := range lists {
					if s := l.Stats(); s.State != "synced" || s.Anomalies["inconsistent"] > 0 {
						t.Errorf("%s: %s, %v", name, s.State, s.Anomalies)
					}
				}
			})
		})
	}
}

// R26: if the replica that has the turn dies, another one continues.
func TestR26AnotherReplicaTakesTheTurn(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		link := scriptedOver(store)
		dies, lives := open(t, link), open(t, store)
		q := login(t, lives, 200, "ada")
		revokeEach(t, lives, 1000, 2000)
		time.Sleep(10 * time.Second)
		link.Hook(func(s *revlogtest.Hooks) {
			s.Write = func(ctx context.Context, w revlog.Write) (revlog.Written, error) {
				if _, quiet := entriesOf(w); quiet {
					link.silence() // after this write
				}
				return store.Write(ctx, w)
			}
		})
		store.flush()
		time.Sleep(4 * within)
		dies.Close()
		refusedBy(t, map[string]*revocation.List{"booted": open(t, store)}, q, 1000, 2000)
	})
}

// R26: after a failed write, a repair continues from that write.
func TestR26ProgressIsKept(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		const revoked = 5000
		store := script()
		link := scriptedOver(store)
		here := open(t, link)
		q := login(t, here, 200, "ada")
		revokeEach(t, here, 1000, revoked)
		time.Sleep(10 * time.Second)
		n := 0
		link.Hook(func(s *revlogtest.Hooks) {
			s.Write = func(ctx context.Context, w revlog.Write) (revlog.Written, error) {
				if all, _ := entriesOf(w); len(all) > 0 {
					if n++; n%2 == 0 {
						return revlog.Written{}, errSilent
					}
				}
				return store.Write(ctx, w)
			}
		})
		before := len(store.Writes())
		store.flush()
		time.Sleep(10 * time.Second)
		if n, batches := restored(store.Writes()[before:]); n != revoked {
			t.Errorf("%d entries were written in %d writes, want %d", n, batches, revoked)
		}
		refusedBy(t, map[string]*revocation.List{"booted": open(t, store)}, q, 1000, revoked)
	})
}

// R26: an entry that is lost, written back, and lost again before replicas read it is written back
// again.
func TestR26TheSameTailIsLostTwice(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here := open(t, store)
		q := login(t, here, 200, "ada")
		revokeEach(t, here, 1, 5)
		first, second := snapshot(t, store), snapshot(t, store)
		revokeEach(t, here, 11, 3)
		time.Sleep(time.Second)
		store.Hook(func(s *revlogtest.Hooks) {
			s.Store = first
			s.Write = func(ctx context.Context, w revlog.Write) (revlog.Written, error) {
				out, err := first.Write(ctx, w)
				store.Hook(func(s *revlogtest.Hooks) { s.Store, s.Write = second, nil })
				return out, err
			}
		})
		time.Sleep(within)
		lists := map[string]*revocation.List{"here": here, "booted": open(t, store)}
		refusedBy(t, lists, q, 1, 5)
		refusedBy(t, lists, q, 11, 3)
	})
}

// R26: an inconsistent log stops neither running replicas nor booting ones. They ask the store
// about what the log lacks.
func TestR26AnInconsistentLogHoldsNobody(t *testing.T) {
	for _, tt := range []struct {
		name string
		spot func(log []revlog.Entry) []revlog.Entry
	}{
		{"the newest entry is deleted", func(log []revlog.Entry) []revlog.Entry { return log[:len(log)-1] }},
		{"an entry in the middle is deleted", func(log []revlog.Entry) []revlog.Entry { return slices.Delete(log, 4, 5) }},
		{"an entry appears twice", func(log []revlog.Entry) []revlog.Entry {
			e := log[len(log)-1]
			e.Position.MS++
			return append(log, e)
		}},
		{"an entry was half written", func(log []revlog.Entry) []revlog.Entry {
			e := log[len(log)-1]
			e.Position.MS++
			e.Position.N++
			return append(log, e)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				here := open(t, store)
				q := login(t, here, 200, "ada")
				revokeEach(t, here, 1, 8)
				log, head := entries(t, store)
				state := revlog.State{Head: head, Exact: slices.Clone(log), Entries: tt.spot(slices.Clone(log))}
				time.Sleep(time.Second)
				store.Hook(func(s *revlogtest.Hooks) {
					s.Store = memoryOf(state)
				})
				time.Sleep(within)
				booted := open(t, store)
				lists := map[string]*revocation.List{"here": here, "booted": booted}
				for name, l := range lists {
					if s := l.Stats(); s.State != "synced" {
						t.Errorf("%s: state %s", name, s.State)
					}
				}
				revoke(t, booted, revocation.Session(sid(9)))
				time.Sleep(within)
				refusedBy(t, lists, q, 1, 9)
				alive := login(t, booted, 201, "ada")
				for name, l := range lists {
					wantVerdict(t, name+", a new login", verdict(t, l, alive), replica.Accept, replica.None)
				}
				time.Sleep(time.Minute)
				for name, l := range lists {
					if s := l.Stats(); s.State != "synced" || s.Anomalies["broken"] > 3 || s.Anomalies["inconsistent"] > 3 {
						t.Errorf("%s a minute later: %s, %v", name, s.State, s.Anomalies)
					}
				}
			})
		})
	}
}

// R17: a revocation from before a session began does not apply to it, even after the store lost its
// data and a replica wrote the revocation back.
func TestR17AnOlderRevocationDoesNotApplyAfterALoss(t *testing.T) {
	for _, target := range []revocation.Target{revocation.Subject("ada"), revocation.Group("tenant:7"), revocation.Everyone()} {
		for _, since := range []time.Duration{100 * time.Millisecond, 4 * time.Second, time.Minute} {
			t.Run(target.Scope().String()+", logged in after "+since.String(), func(t *testing.T) {
				bubble.Test(t, func(t *testing.T) {
					store := script()
					here, there := open(t, store), open(t, store)
					time.Sleep(time.Minute)
					revoke(t, here, target)
					time.Sleep(since)
					q := login(t, here, 1, "ada", "tenant:7")
					revoke(t, here, revocation.Session(sid(99)))
					time.Sleep(time.Second)
					store.flush()
					for range 5 {
						time.Sleep(within)
						for name, l := range map[string]*revocation.List{"here": here, "there": there} {
							c := *q
							wantVerdict(t, name, verdict(t, l, &c), replica.Accept, replica.None)
						}
					}
				})
			})
		}
	}
}

// R17: if a store is away for longer than S and comes back empty, nobody has to log in again, as
// long as the replicas run.
func TestR17AStoreThatComesBackEmptyLogsNobodyOut(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		lists := map[string]*revocation.List{"a": open(t, store), "b": open(t, store), "c": open(t, store)}
		time.Sleep(time.Minute)
		var alive []*replica.Query
		for i := range 20 {
			alive = append(alive, login(t, lists["a"], byte(i), "ada"))
			time.Sleep(time.Second)
		}
		revokeEach(t, lists["b"], 101, 5)
		time.Sleep(time.Second)
		store.silence()
		time.Sleep(time.Minute)
		store.Recover()
		store.flush()
		time.Sleep(within)
		for name, l := range lists {
			for _, q := range alive {
				c := *q
				wantVerdict(t, name, verdict(t, l, &c), replica.Accept, replica.None)
			}
		}
		refusedBy(t, lists, alive[0], 101, 5)
	})
}

// R15: after a failed read of a page, a boot continues from that page.
func TestR15ABootKeepsWhatItRead(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store := script()
		here := open(t, store)
		revokeEach(t, here, 1, 15_000) // two pages
		link := scriptedOver(store)
		reads, failed := 0, 0
		link.Hook(func(s *revlogtest.Hooks) {
			s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				if reads++; reads%2 == 0 {
					failed++
					return revlog.Page{}, errSilent
				}
				return store.Read(ctx, c)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // before what was read leaves the window of a boot
		defer cancel()
		l, err := revocation.Open(ctx, link, revlogtest.Secrets(1), revocation.Config{})
		if err != nil {
			t.Fatalf("after %d reads, %d of which failed: %v", reads, failed, err)
		}
		l.Close()
	})
}
