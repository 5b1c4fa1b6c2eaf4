package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// record returns e as one that follows others in a value of the exact set.
func record(e revlog.Entry) string { return "+" + six(e.W) + proof(e) }

// effect returns a forged entry about eve with the effect byte b and n bytes of parameters.
func (f *forger) effect(b byte, n int) revlog.Entry {
	e := made(f.eve())
	e.Effect, e.Params = b, strings.Repeat("p", n)
	return e
}

// set makes value what the exact set holds for eve.
func (f *forger) set(value string) {
	k := f.eve()
	f.s.Do("SET", "{wafer}:u:"+string(k.Tag[:]), value)
}

func (f *forger) ada() revlog.Key {
	return revlog.Key{Scope: revlog.ScopeSubject, Tag: f.tag(revocation.Subject("ada"))}
}

// of returns the record of one effect in the value of a subject or group, which holds nothing else.
func (f *forger) of(scope revlog.Scope, tag revlog.Tag) string {
	return f.s.Do("GET", "{wafer}:"+string(rune(scope))+":"+string(tag[:]))
}

type doing func(*revocation.List, context.Context, revocation.Target, revocation.Options) (revocation.Receipt, error)

func (f *forger) do(do doing, t revocation.Target, o revocation.Options) {
	f.t.Helper()
	if _, err := do(f.l, f.t.Context(), t, o); err != nil {
		f.t.Fatal(err)
	}
}

// R32: entries of every effect, made up, copied or damaged by somebody without the list key. A session
// that was ended is accepted nowhere, a living one is refused nowhere, and what is wrong is counted.
func TestR32ForgeriesOfEveryEffect(t *testing.T) {
	const forged, unknown, lost, nothing = "forged", "unknown", "lost", ""
	for _, tt := range []struct {
		name   string
		forge  func(*forger)
		counts string
	}{
		{"that requires a login, beside the real one", func(f *forger) { f.set(f.stored() + record(f.effect(revlog.RequireLogin.Byte(), 0))) }, forged},
		{"that has data loaded again, beside the real one", func(f *forger) { f.set(f.stored() + record(f.effect(revlog.Reload.Byte(), 0))) }, forged},
		{"that ends a subject slowly", func(f *forger) {
			e := f.effect(revlog.EndSlowly.Byte(), 0)
			e.Params = revlog.OverParams(time.Millisecond, [8]byte{1})
			f.set(f.stored() + record(e))
		}, forged},
		{"that ends a subject slowly, by the list key", func(f *forger) {
			e := f.effect(revlog.EndSlowly.Byte(), 0)
			e.Params = revlog.OverParams(time.Millisecond, [8]byte{1})
			f.set(f.stored() + record(signed(e)))
		}, unknown},
		{"of all effects", func(f *forger) {
			all := f.stored()
			for i := range 16 {
				if b := byte(i) << 4; b != revlog.End.Byte() {
					all += record(f.effect(b, 64))
				}
			}
			f.set(all)
		}, forged},
		{"of an effect that is none", func(f *forger) { f.set(f.stored() + record(f.effect(0x0f, 0))) }, forged},
		{"of an effect that is none, by the list key", func(f *forger) { f.set(f.stored() + record(signed(f.effect(0x0f, 0)))) }, unknown},
		{"with 63 bytes of parameters", func(f *forger) { f.set(f.stored() + record(f.effect(revlog.Reload.Byte(), 63))) }, forged},
		{"with 64 bytes of parameters, and quiet", func(f *forger) { f.set(f.stored() + record(f.effect(revlog.Reload.Byte(), 64)) + "q") }, forged},
		{"with 65 bytes of parameters", func(f *forger) { f.set(f.stored() + record(f.effect(revlog.Reload.Byte(), 65))) }, lost},
		{"of one effect twice", func(f *forger) {
			e := record(f.effect(revlog.Reload.Byte(), 0))
			f.set(f.stored() + e + e)
		}, lost},
		{"an end twice", func(f *forger) { f.set(f.stored() + "+" + f.stored()) }, lost},
		{"a plus with nothing behind it", func(f *forger) { f.set(f.stored() + "+") }, lost},
		{"a plus before the end", func(f *forger) { f.set("+" + f.stored()) }, lost},
		{"no plus before another effect", func(f *forger) { f.set(record(f.effect(revlog.Reload.Byte(), 0))[1:]) }, lost},
		{"no plus between two", func(f *forger) { f.set(f.stored() + record(f.effect(revlog.Reload.Byte(), 0))[1:]) }, lost},
		{"quiet twice", func(f *forger) { f.set(f.stored() + "qq") }, lost},
		{"cut off", func(f *forger) { s := f.stored() + record(f.effect(revlog.Reload.Byte(), 9)); f.set(s[:len(s)-1]) }, lost},
		{"without a version", func(f *forger) {
			e := f.effect(revlog.Reload.Byte(), 0)
			e.Version = 0
			f.set(f.stored() + record(e))
		}, lost},
		{"a real one of another subject", func(f *forger) {
			f.do((*revocation.List).RequireLogin, revocation.Subject("ada"), revocation.Options{})
			f.set(f.stored() + f.of(revlog.ScopeSubject, f.ada().Tag))
		}, forged},
		{"a real one of another scope", func(f *forger) {
			f.do((*revocation.List).Reload, revocation.Group("tenant"), revocation.Options{})
			f.set(f.stored() + f.of(revlog.ScopeGroup, f.tag(revocation.Group("tenant"))))
		}, forged},
		{"a real one as one of another effect", func(f *forger) {
			f.do((*revocation.List).RequireLogin, revocation.Subject("eve"), revocation.Options{Before: time.Now().Add(-time.Hour)})
			real := f.stored()
			f.set(strings.Replace(real, "\x11"+string(rune(revlog.RequireLogin.Byte())), "\x11"+string(rune(revlog.Reload.Byte())), 1))
		}, forged},
		{"a real one that reaches further", func(f *forger) {
			f.do((*revocation.List).RequireLogin, revocation.Subject("eve"), revocation.Options{Before: time.Now().Add(-time.Hour)})
			real := f.stored()
			at := strings.LastIndex(real, "+")
			f.set(real[:at+1] + six(time.Now().Add(time.Hour).UnixMilli()) + real[at+7:])
		}, forged},
		{"about everyone, of every effect", func(f *forger) {
			var all string
			for _, e := range []revlog.Effect{revlog.RequireLogin, revlog.Reload, revlog.EndSlowly} {
				one := made(revlog.Key{Scope: revlog.ScopeEveryone})
				one.Effect = e.Byte()
				all += "+" + six(one.W) + six(one.W) + proof(one)
			}
			f.s.Do("HSET", "{wafer}:globals", "e"+strings.Repeat("\x00", 16), all)
		}, forged},
		{"about everyone, and quiet", func(f *forger) {
			one := made(revlog.Key{Scope: revlog.ScopeEveryone})
			f.s.Do("HSET", "{wafer}:globals", "e"+strings.Repeat("\x00", 16), six(one.W)+six(one.W)+proof(one)+"q")
		}, lost},
		{"about everyone, without a version", func(f *forger) {
			one := made(revlog.Key{Scope: revlog.ScopeEveryone})
			one.Version, one.Effect = 0, revlog.Reload.Byte()
			f.s.Do("HSET", "{wafer}:globals", "e"+strings.Repeat("\x00", 16), "+"+six(one.W)+six(one.W)+proof(one))
		}, lost},
		{"the real ones are taken away", func(f *forger) {
			k := f.eve()
			f.s.Do("DEL", "{wafer}:u:"+string(k.Tag[:]))
		}, nothing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newForger(t)
			tt.forge(f)
			before := f.l.Stats().Anomalies
			if tt.counts == nothing {
				before = map[string]uint64{}
			}
			f.ask(f.l)
			for range 20 {
				if v := verdict(f.l, f.gone); v.Outcome == replica.Accept {
					t.Fatalf("the session that was ended: %+v", v)
				}
				if v := verdict(f.l, f.live); v.Outcome == replica.Refuse {
					t.Fatalf("the living session: %+v", v)
				}
				time.Sleep(10 * time.Millisecond)
			}
			redistest.Await(t, "it is counted", func() bool { return tt.counts == nothing || f.l.Stats().Anomalies[tt.counts] > before[tt.counts] })
			redistest.Await(t, "the replica is in step", func() bool { return f.l.Stats().State == "synced" })
			if v := verdict(f.l, f.gone); v.Outcome == replica.Accept {
				t.Errorf("in the end, the session that was ended: %+v", v)
			}
			if v := verdict(f.l, f.live); v.Outcome == replica.Refuse {
				t.Errorf("in the end, the living session: %+v", v)
			}
		})
	}
}

// R32: nothing that somebody puts into the place of a revocation beforehand keeps it from being made.
func TestR32NothingInItsPlacePreventsARevocation(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*revlog.Entry)
		suffix string
	}{
		{"made up", func(*revlog.Entry) {}, ""},
		{"quiet", func(*revlog.Entry) {}, "q"},
		{"without a version", func(e *revlog.Entry) { e.Version = 0 }, ""},
		{"of a version that nobody can read", func(e *revlog.Entry) { e.Version = 0xff }, ""},
		{"of another origin", func(e *revlog.Entry) { e.Effect |= 0x0f }, ""},
		{"just ahead", func(e *revlog.Entry) { e.W = min(e.W, time.Now().Add(2*within-100*time.Millisecond).UnixMilli()) }, ""},
		{"just ahead, without a version", func(e *revlog.Entry) {
			e.Version, e.W = 0, min(e.W, time.Now().Add(2*within-100*time.Millisecond).UnixMilli())
		}, ""},
	} {
		for _, target := range []revocation.Target{{}, revocation.Subject("eve"), revocation.Group("tenant")} {
			for _, effect := range []revlog.Effect{revlog.End, revlog.RequireLogin} {
				t.Run(fmt.Sprintf("%s/%v/%v", tt.name, target, effect), func(t *testing.T) {
					t.Parallel()
					f := newForger(t)
					if target == (revocation.Target{}) {
						target = revocation.Session(encode(f.live.Session))
					}
					e := made(revlog.Key{Scope: target.Scope(), Tag: f.tag(target)})
					e.Effect = effect.Byte()
					e.Limit = time.Now().Add(1000 * time.Hour).UnixMilli()
					if effect != revlog.End && e.W == revlog.Forever {
						e.W = e.Limit
					}
					tt.change(&e)
					f.putRaw(e, tt.suffix)
					do := (*revocation.List).Revoke
					if effect == revlog.RequireLogin {
						do = (*revocation.List).RequireLogin
					}
					redistest.Await(t, "it is made", func() bool { _, err := do(f.l, t.Context(), target, revocation.Options{}); return err == nil })
					other := openList(t, &redis.UniversalOptions{Addrs: []string{f.s.Addr}})
					redistest.Await(t, "it is out of the outbox", func() bool { return f.l.Stats().Outbox == 0 })
					for _, l := range []*revocation.List{f.l, other} {
						redistest.Await(t, "every replica minds it", func() bool {
							v := verdict(l, f.live)
							if v.Outcome == replica.Accept && v.Asks == 0 {
								t.Fatalf("accepted: %+v", v)
							}
							lost := l == other && f.l.Stats().Anomalies["lost"] > 0 // then it has no way to know this session
							return v.Outcome == replica.Refuse || v.Asks != 0 || lost
						})
					}
				})
			}
		}
	}
}

// putRaw is put with a suffix, in the place that the effect of e has, also for an origin of another region.
func (f *forger) putRaw(e revlog.Entry, suffix string) {
	tag, w, plus := string(e.Tag[:]), six(e.W), "+"
	if e.Does() == revlog.End {
		plus = ""
		if e.Scope == revlog.ScopeSession {
			w = ""
		}
	}
	value := plus + w + proof(e) + suffix
	if e.Scope == revlog.ScopeSession {
		f.s.Do("HSET", fmt.Sprintf("{wafer}:x:1:%d", e.Tag[0]>>4), tag, value)
		return
	}
	f.s.Do("SET", "{wafer}:"+string(rune(e.Scope))+":"+tag, value)
}

// R12: entries of every effect that somebody adds to the log refuse nobody and ask nothing. Replicas ask
// about the sessions to which they may apply.
func TestR12ForgedEffectsInTheLog(t *testing.T) {
	f := newForger(t)
	f.do((*revocation.List).RequireLogin, revocation.Subject("ada"), revocation.Options{})
	real := f.of(revlog.ScopeSubject, f.ada().Tag)
	f.live = f.login()
	add := func(name, body string) {
		before := f.l.Stats().Anomalies
		f.s.Do("EVAL", `local h = redis.call('HMGET', KEYS[1], 'ms', 'n', 'i')
			local ms, n = string.format('%.0f', h[1]), string.format('%.0f', h[2] + 1)
			redis.call('XADD', KEYS[2], ms .. '-' .. n, string.format('%.0f', n - h[3] - 1), ARGV[1] .. 'newchain')
			redis.call('HSET', KEYS[1], 'n', n, 'i', h[3] + 1, 'c', 'newchain')`, "2", "{wafer}:head", "{wafer}:log", body)
		redistest.Await(t, name+": the entry is counted", func() bool {
			after := f.l.Stats().Anomalies
			return after["forged"]+after["unknown"] > before["forged"]+before["unknown"]
		})
		if v := verdict(f.l, f.live); v.Outcome != replica.Accept || v.Asks != 0 {
			t.Errorf("%s: the living session: %+v", name, v)
		}
		if v := verdict(f.l, f.gone); v.Outcome != replica.Refuse {
			t.Errorf("%s: the session that was ended: %+v", name, v)
		}
	}
	entry := func(e revlog.Entry) string { return string(e.AppendPacked(nil)) + six(e.W) + six(e.W) }
	for _, effect := range []revlog.Effect{revlog.RequireLogin, revlog.Reload, revlog.EndSlowly, 9} {
		add(effect.String(), entry(f.effect(effect.Byte(), 0)))
		add(effect.String()+" of the session", entry(revlog.Entry{
			Version: revlog.EntryVersion, Effect: effect.Byte(), Scope: revlog.ScopeSession, Tag: f.l.Replica().SessionTag(f.live.Session), W: 1 << 45, Limit: 1 << 45,
		}))
	}
	eve := f.eve()
	add("a real one as one of eve's", real[7:9]+"u"+string(eve.Tag[:])+real[9:]+six(time.Now().UnixMilli())+six(time.Now().UnixMilli()))
	add("one whose parameters are too long", entry(f.effect(revlog.Reload.Byte(), 65)))
	add("nothing between two effects", entry(f.effect(revlog.Reload.Byte(), 0))+entry(f.effect(revlog.RequireLogin.Byte(), 0)))
	if s := f.l.Stats(); s.State != "synced" || s.Anomalies["broken"] > 0 {
		t.Errorf("%s, %v", s.State, s.Anomalies)
	}
}
