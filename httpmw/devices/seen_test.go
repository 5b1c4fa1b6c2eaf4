package devices_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/logtest"
)

// calls counts the calls of a store by name.
func calls(f *replica) func(call string) int {
	var mu sync.Mutex
	n := map[string]int{}
	f.store.Fail(func(_ context.Context, call string) error {
		mu.Lock()
		defer mu.Unlock()
		n[call]++
		return nil
	})
	return func(call string) int {
		mu.Lock()
		defer mu.Unlock()
		return n[call]
	}
}

// A session in use is written at most every few minutes, and the list is never read.
func TestSeenSeldom(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		for name, max := range map[string]int{"without a limit": 0, "with a limit": 1} {
			r := one(t, devices.Config{Max: max})
			n := calls(r)
			b := newBrowser(firefox)
			sid := b.login(t, r, "ann")
			frozen := &browser{firefox, map[string]string{}} // keeps no cookies
			for name, value := range b.jar {
				frozen.jar[name] = value
			}
			began := time.Now()
			for i := range 12 * 60 { // an hour, a request every 5 s
				if i%10 == 0 {
					b.at(r, func(_ context.Context, s *session) { s.Set("item") }) // written each time
				} else if b.id(r) != sid {
					t.Fatal("the session ended")
				}
				stale := *frozen
				stale.jar = map[string]string{"__Host-Http-session": frozen.jar["__Host-Http-session"]}
				stale.id(r)
				time.Sleep(5 * time.Second)
			}
			synctest.Wait()
			if puts := n("put"); puts < 8 || puts > 14 {
				t.Errorf("%s: %d writes in an hour, want about 12", name, puts)
			}
			if n("list") != 0 || n("delete") != 0 {
				t.Errorf("%s: %d reads, %d deletions", name, n("list"), n("delete"))
			}
			rows, err := r.List(t.Context(), "ann")
			if err != nil || len(rows) != 1 || time.Since(rows[0].Seen) > 6*time.Minute || rows[0].LoginTime.Sub(began).Abs() > 2*time.Second {
				t.Errorf("%s: %+v, %v", name, rows, err)
			}
			time.Sleep(2*time.Hour + time.Second)
			if rows, err := r.List(t.Context(), "ann"); err != nil || len(rows) != 0 {
				t.Errorf("%s: after its idle limit: %+v, %v", name, rows, err)
			}
		}
	})
}

// With short limits a session in use stays in the list.
func TestSeenWithAShortIdleLimit(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := fleet(t, 1, devices.NewMemory(), devices.Config{}, httpmw.Config{Idle: 2 * time.Minute})[0]
		b := newBrowser(firefox)
		sid := b.login(t, r, "ann")
		for range 60 {
			time.Sleep(10 * time.Second)
			b.id(r)
			synctest.Wait()
			if got := listed(t, r, "ann"); !slices.Equal(got, []string{sid}) {
				t.Fatalf("listed are %v", got)
			}
		}
	})
}

// The store loses everything: nobody is logged out, the list fills again as sessions are seen, and
// the next login keeps the limit.
func TestTheStoreLosesEverything(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := one(t, devices.Config{Max: 3})
		var all []*browser
		var sids []string
		for range 3 {
			b := newBrowser(firefox)
			all, sids = append(all, b), append(sids, b.login(t, r, "ann"))
			time.Sleep(10 * time.Second)
		}
		r.store.Replace(devices.NewMemory())
		for range 2 * 60 { // 10 minutes
			for i, b := range all {
				if b.id(r) != sids[i] {
					t.Fatal("somebody was logged out")
				}
			}
			time.Sleep(5 * time.Second)
		}
		synctest.Wait()
		slices.Sort(sids)
		if got := listed(t, r, "ann"); !slices.Equal(got, sids) {
			t.Fatalf("listed are %v, want %v", got, sids)
		}
		fourth := newBrowser(iphone)
		fourth.login(t, r, "ann")
		if all[0].id(r) != "" || all[1].id(r) == "" || all[2].id(r) == "" || fourth.id(r) == "" {
			t.Error("not the oldest session ended")
		}
	})
}

// A store that hangs or fails slows no request, fails none, and is logged once a minute.
func TestADeadStoreIsNotNoticed(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var log logtest.Log
		r := fleet(t, 1, devices.NewMemory(), devices.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, httpmw.Config{})[0]
		r.store.Fail(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() })
		began := time.Now()
		b := newBrowser(firefox)
		sid, err := b.tryLogin(r, httpmw.Identity{Subject: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			time.Sleep(time.Minute)
			at := time.Now()
			if b.id(r) != sid {
				t.Fatal("the session ended")
			}
			if err := newBrowser(firefox).try(r, func(s *session, ctx context.Context) error {
				return s.Login(ctx, httpmw.Identity{Subject: "bob"})
			}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(at); took > 0 {
				t.Fatalf("requests waited for %v", took)
			}
		}
		if err := b.try(r, (*session).LogoutEverywhere); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began) - time.Hour; waited > 0 {
			t.Errorf("requests waited for %v", waited)
		}
		time.Sleep(time.Minute)
		if n := r.Registry.Stats().Failed; n < 60 || n > 80 {
			t.Errorf("%d calls failed", n)
		}
		lines := log.Count("the store of the list of devices failed")
		if lines < 20 || lines > 63 || strings.Contains(log.String(), "ann") || strings.Contains(log.String(), sid) {
			t.Errorf("%d lines:\n%.2000s", lines, log.String())
		}
	})
}

// However much there is to write while the store hangs, it is bounded.
func TestTheQueueIsBounded(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := one(t, devices.Config{})
		var n atomic.Int64
		r.store.Fail(func(ctx context.Context, _ string) error { n.Add(1); <-ctx.Done(); return ctx.Err() })
		for i := range 6000 {
			r.OnEvent(t.Context(), httpmw.Event{Kind: httpmw.EventSeen, Session: string(rune('0' + i)), Subject: "ann", Began: time.Now(), Expires: time.Now().Add(time.Hour)})
		}
		if dropped := r.Registry.Stats().Dropped; dropped < 1900 || dropped > 1904 {
			t.Errorf("%d were dropped", dropped)
		}
		r.store.Fail(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n.Load() > 2 {
			t.Errorf("%d calls at a time", n.Load())
		}
		if got := len(listed(t, r, "ann")); got != 256 { // the most that is listed
			t.Errorf("%d are listed", got)
		}
	})
}

// Whoever has the cookie of a revoked session makes one write a minute, however often it is sent.
func TestARefusedCookieSentAgainAndAgain(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		r := one(t, devices.Config{})
		b := newBrowser(firefox)
		sid := b.login(t, r, "ann")
		synctest.Wait()
		if err := r.SignOut(t.Context(), "ann", sid); err != nil {
			t.Fatal(err)
		}
		n := calls(r)
		for range 1000 {
			if b.id(r) != "" {
				t.Fatal("accepted")
			}
		}
		synctest.Wait()
		if got := n("delete"); got != 1 || n("put") != 0 {
			t.Errorf("%d deletions, %d writes", got, n("put"))
		}
	})
}
