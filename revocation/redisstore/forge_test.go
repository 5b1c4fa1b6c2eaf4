package redisstore_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// signed returns e with the proof of a newer release, which has the list key.
func signed(e revlog.Entry) revlog.Entry {
	key := revlogtest.Secrets(0).ListSecret("wafer list: entry mac")
	h := hmac.New(sha256.New, key[:])
	h.Write(e.AppendSigned(nil))
	copy(e.MAC[:], h.Sum(nil))
	return e
}

// A forger is somebody who can write to Redis.
type forger struct {
	t *testing.T
	s *redistest.Server
	// live is a session of eve that began after a watermark that revoked her others;
	// gone is one of those.
	live, gone replica.Query
	l          *revocation.List
	logins     byte
}

func (f *forger) tag(target revocation.Target) revlog.Tag { return f.l.Tag(target) }

func six(n int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	return string(b[2:])
}

// proof returns the proof of e as the exact set holds it.
func proof(e revlog.Entry) string {
	b := e.AppendPacked(nil)
	return string(b[:2]) + string(b[19:])
}

func (f *forger) put(e revlog.Entry) {
	tag, w, plus := string(e.Tag[:]), six(e.W), ""
	if e.Does() != revlog.End {
		plus = "+"
	}
	if e.Key().Bare() {
		w = ""
	}
	switch e.Scope {
	case revlog.ScopeSession:
		f.s.Do("HSET", fmt.Sprintf("{wafer}:x:1:%d", e.Tag[0]>>4), tag, plus+w+proof(e))
	case revlog.ScopeSubject, revlog.ScopeGroup:
		f.s.Do("SET", "{wafer}:"+string(rune(e.Scope))+":"+tag, plus+w+proof(e))
	default:
		f.s.Do("HSET", "{wafer}:globals", string(rune(e.Scope))+tag, plus+w+six(time.Now().Add(time.Hour).UnixMilli())+proof(e))
	}
}

func made(k revlog.Key) revlog.Entry {
	far := time.Now().Add(1000 * time.Hour).UnixMilli()
	e := revlog.Entry{
		Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: k.Scope, Tag: k.Tag, W: far, Limit: far, MAC: [8]byte{1, 2, 3},
	}
	if k.Scope == revlog.ScopeSession || k.Scope == revlog.ScopeKey {
		e.W, e.Limit = revlog.Forever, revlog.Forever
	}
	return e
}

func (f *forger) eve() revlog.Key {
	return revlog.Key{Scope: revlog.ScopeSubject, Tag: f.tag(revocation.Subject("eve"))}
}

// stored returns the value that the exact set holds for eve.
func (f *forger) stored() string {
	k := f.eve()
	return f.s.Do("GET", "{wafer}:u:"+string(k.Tag[:]))
}

func newForger(t *testing.T) *forger {
	s := redistest.Start(t)
	f := &forger{t: t, s: s, l: openList(t, &redis.UniversalOptions{Addrs: []string{s.Addr}})}
	f.gone = f.login()
	if _, err := f.l.Revoke(t.Context(), revocation.Subject("eve"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.l.Revoke(t.Context(), revocation.Session(encode([16]byte{0xee})), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	redistest.Await(t, "the revocation is read", func() bool { return f.l.Stats().Outbox == 0 })
	f.live = f.login()
	return f
}

func (f *forger) login() (q replica.Query) {
	f.t.Helper()
	f.logins++
	q = replica.Query{Session: [16]byte{1, f.logins}, Subject: f.tag(revocation.Subject("eve"))}
	q.SetGroups(f.tag(revocation.Group("tenant")))
	q.Keys[0] = "kid"
	start, err := f.l.Replica().Begin(f.t.Context(), replica.Login{Subject: q.Subject, Groups: q.GroupTags[:q.Groups]})
	if err != nil {
		f.t.Fatal(err)
	}
	q.Epoch, q.Checked, q.Term = start.Epoch, start.Checked, start.Term
	return q
}

// ask makes l ask about every session from now on.
func (f *forger) ask(l *revocation.List) {
	f.t.Helper()
	if _, err := f.l.RevokeMany(f.t.Context(), func(func(revocation.Target) bool) {}, nil); err != nil {
		f.t.Fatal(err)
	}
	redistest.Await(f.t, "the floor is read", func() bool { q := f.live; return l.Replica().Decide(&q).Outcome != replica.Accept })
}

// R32: whatever somebody without the list key writes to Redis, no living session is refused, and no
// revoked session is accepted. The replicas count it.
func TestR32ForgeriesInTheExactSet(t *testing.T) {
	for _, tt := range []struct {
		name   string
		forge  func(*forger)
		live   replica.Outcome
		counts string
	}{
		{"a living session", func(f *forger) {
			f.put(made(revlog.Key{Scope: revlog.ScopeSession, Tag: f.l.Replica().SessionTag(f.live.Session)}))
		}, replica.Undecided, "forged"},
		{"a subject", func(f *forger) { f.put(made(f.eve())) }, replica.Undecided, "forged"},
		{"a group", func(f *forger) {
			f.put(made(revlog.Key{Scope: revlog.ScopeGroup, Tag: f.tag(revocation.Group("tenant"))}))
		}, replica.Undecided, "forged"},
		{"everyone", func(f *forger) { f.put(made(revlog.Key{Scope: revlog.ScopeEveryone})) }, replica.Accept, "forged"},
		{"a key", func(f *forger) { f.put(made(revlog.Key{Scope: revlog.ScopeKey, Tag: f.tag(revocation.Key("kid"))})) }, replica.Accept, "forged"},
		{"the watermark of a revocation is raised past its limit", func(f *forger) {
			k := f.eve()
			f.s.Do("SET", "{wafer}:u:"+string(k.Tag[:]), six(time.Now().Add(time.Hour).UnixMilli())+f.stored()[6:])
		}, replica.Undecided, "forged"},
		{"the limit of a revocation is raised too", func(f *forger) {
			k, held := f.eve(), f.stored()
			far := six(time.Now().Add(time.Hour).UnixMilli())
			f.s.Do("SET", "{wafer}:u:"+string(k.Tag[:]), far+held[6:9]+far+held[15:])
		}, replica.Undecided, "forged"},
		{"the proof of another session", func(f *forger) {
			gone := f.l.Replica().SessionTag([16]byte{0xee})
			live := f.l.Replica().SessionTag(f.live.Session)
			held := f.s.Do("HGET", fmt.Sprintf("{wafer}:x:1:%d", gone[0]>>4), string(gone[:]))
			f.s.Do("HSET", fmt.Sprintf("{wafer}:x:1:%d", live[0]>>4), string(live[:]), held)
		}, replica.Undecided, "forged"},
		{"the proof of another scope", func(f *forger) {
			group := f.tag(revocation.Group("tenant"))
			f.s.Do("SET", "{wafer}:g:"+string(group[:]), six(time.Now().UnixMilli()+1)+f.stored()[6:])
		}, replica.Undecided, "forged"},
		{"a newer release revokes with another effect", func(f *forger) {
			e := made(f.eve())
			e.Effect, e.Params = 0x90, "mfa"
			f.put(signed(e))
		}, replica.Undecided, "unknown"},
		{"a newer release writes for later readers", func(f *forger) {
			e := made(f.eve())
			e.Version = 0x22
			f.put(signed(e))
		}, replica.Undecided, "unknown"},
		{"an earlier revocation is written again", func(f *forger) {
			k, held := f.eve(), f.stored()
			f.s.Do("DEL", "{wafer}:u:"+string(k.Tag[:]))
			f.s.Do("SET", "{wafer}:u:"+string(k.Tag[:]), held)
		}, replica.Accept, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newForger(t)
			tt.forge(f)
			f.ask(f.l)
			live, gone := f.live, f.gone
			if v := f.l.Replica().Confirm(t.Context(), &live); v.Outcome != tt.live {
				t.Errorf("the living session: %+v, want %v", v, tt.live)
			}
			if v := verdict(f.l, gone); v.Outcome != replica.Refuse {
				t.Errorf("the revoked session: %+v", v)
			}
			all := f.l.Stats().Anomalies
			if all["forged"]+all["unknown"] != all[tt.counts] || (all[tt.counts] > 0) != (tt.counts != "") {
				t.Errorf("counted %v, want %q", all, tt.counts)
			}
			if s := f.l.Stats(); s.State != "synced" {
				t.Errorf("the replica is %s", s.State)
			}
		})
	}
}

// R32: a forged entry does not prevent a revocation of the same subject, which replaces it.
func TestR32AForgeryDoesNotPreventARevocation(t *testing.T) {
	for _, target := range []revocation.Target{
		revocation.Subject("eve"), revocation.Group("tenant"), revocation.Everyone(), revocation.Key("kid"), {},
	} {
		for _, many := range []bool{false, true} {
			if many && target.Scope().Global() {
				continue
			}
			t.Run(fmt.Sprint(target, many), func(t *testing.T) {
				t.Parallel()
				f := newForger(t)
				target := target
				if target == (revocation.Target{}) {
					target = revocation.Session(encode(f.live.Session))
				}
				f.put(made(revlog.Key{Scope: target.Scope(), Tag: f.tag(target)}))
				other := openLate(t, f.s, target.Scope().Global())
				var err error
				if many {
					_, err = f.l.RevokeMany(t.Context(), func(yield func(revocation.Target) bool) { yield(target) }, nil)
				} else {
					_, err = f.l.Revoke(t.Context(), target, revocation.Options{})
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, l := range append(other, f.l) {
					redistest.Await(t, "every replica refuses", func() bool { return verdict(l, f.live).Outcome == replica.Refuse })
				}
				if err := openSoon(t, f.s); err != nil {
					t.Errorf("a replica that starts now: %v", err)
				}
			})
		}
	}
}

// openLate opens a second list, unless a forged global entry keeps it from starting.
func openLate(t *testing.T, s *redistest.Server, not bool) []*revocation.List {
	if not {
		return nil
	}
	return []*revocation.List{openList(t, &redis.UniversalOptions{Addrs: []string{s.Addr}})}
}

// openSoon opens a list, and returns an error if that takes more than some seconds.
func openSoon(t *testing.T, s *redistest.Server) error {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	st, l, err := connect(ctx, &redis.UniversalOptions{Addrs: []string{s.Addr}})
	if err == nil {
		l.Close()
		st.Close()
	}
	return err
}

// R32: a replica does not start without the global entries, because it has no other way to know
// them, and says what it waits for. Running replicas continue.
func TestR32AForgedGlobalEntryAtBoot(t *testing.T) {
	f := newForger(t)
	e := made(revlog.Key{Scope: revlog.ScopeEveryone})
	f.put(e)
	if err := openSoon(t, f.s); err == nil || !strings.Contains(err.Error(), "wrong proof") {
		t.Errorf("a replica that boots: %v", err)
	}
	if v := verdict(f.l, f.live); v.Outcome != replica.Accept {
		t.Errorf("a replica that runs: %+v", v)
	}
	again := f.login()
	if v := verdict(f.l, again); v.Outcome != replica.Accept {
		t.Errorf("a login at a replica that runs: %+v", v)
	}
	f.s.Do("HDEL", "{wafer}:globals", "e"+string(e.Tag[:]))
	if err := openSoon(t, f.s); err != nil {
		t.Errorf("after the forgery was deleted: %v", err)
	}
}

// docs/redis.md says what to do after somebody wrote to Redis: delete the keys of the list.
// Replicas then create a new list and write back what they know.
func TestR32AfterAForgery(t *testing.T) {
	f := newForger(t)
	f.put(made(revlog.Key{Scope: revlog.ScopeEveryone}))
	f.put(made(f.eve()))
	f.s.Do("EVAL", `for _, name in ipairs(redis.call('KEYS', '{wafer}:*')) do
		if string.find(name, '^{wafer}:[xulhg]') then redis.call('DEL', name) end
	end`, "0")
	redistest.Await(t, "a replica can start", func() bool { return openSoon(t, f.s) == nil })
	redistest.Await(t, "the living session is decided", func() bool {
		v := verdict(f.l, f.live)
		if v.Outcome == replica.Refuse {
			t.Fatalf("the living session: %+v", v)
		}
		return v.Outcome == replica.Accept
	})
	for _, l := range append(openLate(t, f.s, false), f.l) {
		redistest.Await(t, "the revoked session is refused", func() bool {
			v := verdict(l, f.gone)
			if v.Outcome == replica.Accept {
				t.Fatalf("the revoked session: %+v", v)
			}
			return v.Outcome == replica.Refuse
		})
	}
	if f.login().Epoch == 0 {
		t.Error("a login fails")
	}
}

// R32: the store refuses a "now" that arrives later than its writer allows, and returns the log
// time. The replica makes the revocation again at once.
func TestR32ALateNowIsMadeAgain(t *testing.T) {
	f := newForger(t)
	st := open(t, patient(&redis.UniversalOptions{Addrs: []string{f.s.Addr}}), redisstore.Config{AllowVolatile: true})
	p, err := st.Read(t.Context(), revlog.Cursor{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	floor := p.Head.MS + time.Hour.Milliseconds()
	if _, err := st.Write(t.Context(), revlog.Append{List: p.Head.ID, Floor: floor, Assertions: []revlog.Assertion{session(9)}}); err != nil {
		t.Fatal(err)
	}
	a := revlog.Assertion{Scope: revlog.ScopeSubject, Tag: f.eve().Tag, When: revlog.AtNow, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Limit: floor + within.Milliseconds() - 1}
	_, err = st.Write(t.Context(), revlog.Append{List: p.Head.ID, Skew: within, Assertions: []revlog.Assertion{a}})
	var late *revlog.LimitError
	if !errors.As(err, &late) || late.LogTime < floor {
		t.Fatalf("a late now: %v", err)
	}
	r, err := f.l.Revoke(t.Context(), revocation.Group("tenant"), revocation.Options{}) // it may know the log time by now
	if err != nil || !r.Changed {
		t.Errorf("Revoke = %+v, %v", r, err)
	}
}

// A malformed value of the exact set counts as damage.
func TestR1MalformedProofs(t *testing.T) {
	e := made(revlog.Key{Scope: revlog.ScopeSubject, Tag: subjectTag})
	good := []byte(six(e.W) + proof(e))
	long := bytes.Clone(good)
	long[8] = 65
	for name, value := range map[string][]byte{
		"short": good[:len(good)-1], "long": append(bytes.Clone(good), 'x'), "longer": append(bytes.Clone(good), "qq"...),
		"too many parameters": append(long, make([]byte, 65)...), "decimal": []byte("1700000000000"),
	} {
		s, st := volatile(t)
		create(t, st, time.Hour)
		s.Do("SET", "{wafer}:u:"+string(subjectTag[:]), string(value))
		if _, err := st.Confirm(t.Context(), revlog.Question{List: list, Subject: subjectTag}); !errors.Is(err, revlog.ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, st := volatile(t)
	create(t, st, time.Hour)
	s.Do("SET", "{wafer}:u:"+string(subjectTag[:]), string(good))
	if a, err := st.Confirm(t.Context(), revlog.Question{List: list, Subject: subjectTag}); err != nil || len(a.Found) != 1 || a.Found[0].MAC != e.MAC {
		t.Errorf("Confirm = %+v, %v", a, err)
	}
}

// R12: an entry that somebody adds to the log in Redis, with a head that fits, refuses nobody.
// Replicas ask about the sessions to which it may apply.
func TestR12AForgedEntryInTheLog(t *testing.T) {
	f := newForger(t)
	tag := f.l.Replica().SessionTag(f.live.Session)
	for name, e := range map[string]revlog.Entry{
		"made up":             made(revlog.Key{Scope: revlog.ScopeSession, Tag: tag}),
		"malformed":           {},
		"of a newer release":  signed(revlog.Entry{Version: 0x22, Effect: revlog.End.Byte(), Scope: revlog.ScopeSession, Tag: tag}),
		"with another effect": signed(revlog.Entry{Version: revlog.EntryVersion, Effect: 0x90, Scope: revlog.ScopeSession, Tag: tag}),
	} {
		before := f.l.Stats().Anomalies
		body := "nothing that anybody knows"
		if e.Version != 0 {
			body = string(e.AppendPacked(nil))
		}
		f.s.Do("EVAL", `local h = redis.call('HMGET', KEYS[1], 'ms', 'n', 'i')
			local ms, n = string.format('%.0f', h[1]), string.format('%.0f', h[2] + 1)
			redis.call('XADD', KEYS[2], ms .. '-' .. n, string.format('%.0f', n - h[3] - 1), ARGV[1] .. 'newchain')
			redis.call('HSET', KEYS[1], 'n', n, 'i', h[3] + 1, 'c', 'newchain')`, "2", "{wafer}:head", "{wafer}:log", body)
		redistest.Await(t, name+": the entry is counted", func() bool {
			after := f.l.Stats().Anomalies
			return after["forged"]+after["unknown"] > before["forged"]+before["unknown"]
		})
		live := f.live
		if v := f.l.Replica().Decide(&live); v.Outcome != replica.Ask {
			t.Errorf("%s: the living session: %+v", name, v)
		}
		if v := verdict(f.l, f.live); v.Outcome != replica.Accept { // the exact set, which has no such entry
			t.Errorf("%s: the living session, after a question: %+v", name, v)
		}
		if v := verdict(f.l, f.gone); v.Outcome != replica.Refuse {
			t.Errorf("%s: the revoked session: %+v", name, v)
		}
		if s := f.l.Stats(); s.State != "synced" || s.Anomalies["broken"] > 0 {
			t.Errorf("%s: %s, %v", name, s.State, s.Anomalies)
		}
	}
}
