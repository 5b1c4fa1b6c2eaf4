package httpmw_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/logtest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// logs collects what is logged.
type logs struct{ logtest.Log }

func (l *logs) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: level}))
}

// Every reason of the design has a way to come about, a counter, an error and an event.
func TestReasons(t *testing.T) {
	rows := map[string]struct {
		err error
		do  func(t *testing.T, f *fixture, b *browser)
	}{
		"expired_idle": {httpmw.ErrExpiredIdle, func(*testing.T, *fixture, *browser) { time.Sleep(longerThanGrace) }},
		"expired_absolute": {httpmw.ErrExpiredAbsolute, func(t *testing.T, f *fixture, b *browser) {
			f.mint(t, b, func(tok *token.Session) { tok.End = time.Now().Unix() })
		}},
		"revoked_session": {httpmw.ErrRevokedSession, func(t *testing.T, f *fixture, b *browser) {
			f.in(b.copy(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := s.Logout(r.Context()); err != nil {
					t.Error(err)
				}
			})
		}},
		"revoked_subject":  {httpmw.ErrRevokedSubject, revoke(revocation.Subject("ann"))},
		"revoked_group":    {httpmw.ErrRevokedGroup, revoke(revocation.Group("g"))},
		"revoked_everyone": {httpmw.ErrRevokedEveryone, revoke(revocation.Everyone())},
		"revoked_key": {httpmw.ErrRevokedKey, func(t *testing.T, f *fixture, b *browser) {
			revoke(revocation.Key(f.ring.Keys()[0].ID()))(t, f, b)
		}},
		"tampered":  {httpmw.ErrTampered, func(_ *testing.T, _ *fixture, b *browser) { b.jar[sessionName] = flip(b.jar[sessionName]) }},
		"malformed": {httpmw.ErrMalformed, func(_ *testing.T, _ *fixture, b *browser) { b.jar[sessionName] = "junk" }},
		"too_long":  {httpmw.ErrTooLong, func(_ *testing.T, _ *fixture, b *browser) { b.jar[sessionName] = strings.Repeat("A", 4097) }},
		"wrong_audience": {httpmw.ErrWrongAudience, func(t *testing.T, f *fixture, b *browser) {
			f.mint(t, b, func(tok *token.Session) { tok.Audience = []byte("desk") })
		}},
		"out_of_bounds": {httpmw.ErrOutOfBounds, func(t *testing.T, f *fixture, b *browser) {
			f.mint(t, b, func(tok *token.Session) { tok.End += 10 * 365 * 86400 })
		}},
		"unknown_key": {httpmw.ErrUnknownKey, func(t *testing.T, _ *fixture, b *browser) {
			newFixture(t, httpmw.Config{}).login(t, b, httpmw.Identity{Subject: "ann"})
		}},
		"undecided": {httpmw.ErrUndecided, undecidable},
		"reauthenticate": {httpmw.ErrReauthenticate, func(t *testing.T, f *fixture, _ *browser) {
			time.Sleep(5 * time.Second)
			if _, err := f.list.RequireLogin(t.Context(), revocation.Subject("ann"), revocation.Options{}); err != nil {
				t.Error(err)
			}
		}},
	}
	for reason, row := range rows {
		t.Run(reason, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				var out logs
				var events []httpmw.Event
				f := newFixture(t, httpmw.Config{
					Idle:    longerThanGrace,
					Logger:  out.logger(slog.LevelDebug),
					OnEvent: func(_ context.Context, e httpmw.Event) { events = append(events, e) },
				})
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann", Groups: []string{"g"}})
				row.do(t, f, b)
				before := f.Stats().Refused[reason]
				events = nil
				if _, err := f.look(b); err != row.err {
					t.Errorf("got %v, want %v", err, row.err)
				}
				if n := f.Stats().Refused[reason] - before; n != 1 {
					t.Errorf("counted %d", n)
				}
				if len(events) != 1 || events[0].Kind != httpmw.EventRefused || httpmw.Reason(events[0].Err) != reason ||
					events[0].Err != row.err || events[0].Request == nil {
					t.Errorf("events %+v", events)
				}
				if n := out.Count("session refused", "reason="+reason+"\n"); n != int(before)+1 {
					t.Errorf("%d lines of log", n)
				}
				for _, secret := range []string{"ann", b.jar[sessionName]} {
					if out.Count(secret) > 0 {
						t.Errorf("%q is in the log", secret)
					}
				}
			})
		})
	}
	// list_lost, ambiguous, incomplete, data, reload, methods and login_too_old have tests of their own.
	if got := len(rows) + 7; got != len(newFixture(t, httpmw.Config{}).Stats().Refused) {
		t.Errorf("%d reasons are tested, %d are counted", got, len(newFixture(t, httpmw.Config{}).Stats().Refused))
	}
}

func revoke(target revocation.Target) func(*testing.T, *fixture, *browser) {
	return func(t *testing.T, f *fixture, _ *browser) {
		t.Helper()
		if _, err := f.list.Revoke(t.Context(), target, revocation.Options{}); err != nil {
			t.Fatal(err)
		}
	}
}

// A list that lost its data cannot vouch for sessions of before: they log in again, by a reason of its own.
func TestListLost(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(10 * time.Minute)
		empty := newReplica(t, f.ring, revlog.NewMemory(), httpmw.Config{})
		if _, err := empty.look(b); err != httpmw.ErrUndecided {
			t.Errorf("in the first minute: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if _, err := empty.look(b); err != httpmw.ErrListLost || !errors.Is(err, httpmw.ErrRevoked) {
			t.Errorf("later: %v", err)
		}
		if n := empty.Stats().Refused["list_lost"]; n != 1 {
			t.Errorf("counted %d", n)
		}
	})
}

// Warnings do not flood: one a minute for each reason.
func TestWarningsAreRare(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var out logs
		f := newFixture(t, httpmw.Config{Logger: out.logger(slog.LevelWarn)})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		b.jar[sessionName] = flip(b.jar[sessionName])
		for range 100 {
			f.look(b)
		}
		if n := out.Count("WARN", "reason=tampered"); n != 1 {
			t.Errorf("%d warnings for 100 refusals", n)
		}
		time.Sleep(time.Minute)
		f.look(b)
		if n := out.Count("WARN", "reason=tampered", "so_far=101"); n != 1 {
			t.Errorf("no second warning a minute later:\n%s", out.String())
		}
	})
}

func TestEvents(t *testing.T) {
	var events []httpmw.Event
	f := newFixture(t, httpmw.Config{OnEvent: func(_ context.Context, e httpmw.Event) {
		if e.Request == nil || e.Request.Header.Get("User-Agent") != "test" {
			t.Errorf("%s without its request", e.Kind)
		}
		e.Request = nil
		e = timeless(t, e)
		events = append(events, e)
	}})
	b := newBrowser()
	in := func(do func(*httpmw.Session[cart], *http.Request) error) {
		t.Helper()
		r := b.request()
		r.Header.Set("User-Agent", "test")
		b.send(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if err := do(f.From(r.Context()), r); err != nil {
				t.Error(err)
			}
		})), r)
	}
	var ids []string
	remember := func(s *httpmw.Session[cart], err error) error { ids = append(ids, s.ID()); return err }
	in(func(s *httpmw.Session[cart], _ *http.Request) error { return remember(s, s.Set(cart{})) })
	in(func(s *httpmw.Session[cart], r *http.Request) error {
		return remember(s, s.Login(r.Context(), httpmw.Identity{Subject: "ann"}))
	})
	in(func(s *httpmw.Session[cart], r *http.Request) error {
		return remember(s, s.SetGroups(r.Context(), []string{"g"}))
	})
	in(func(s *httpmw.Session[cart], r *http.Request) error { return remember(s, s.LogoutOthers(r.Context())) })
	in(func(s *httpmw.Session[cart], r *http.Request) error {
		return remember(s, s.Login(r.Context(), httpmw.Identity{Subject: "ann"}))
	})
	copied := b.copy()
	in(func(s *httpmw.Session[cart], r *http.Request) error { return s.Logout(r.Context()) })
	b = copied
	in(func(s *httpmw.Session[cart], _ *http.Request) error { return nil })
	b = newBrowser()
	in(func(s *httpmw.Session[cart], r *http.Request) error {
		return remember(s, s.Login(r.Context(), httpmw.Identity{Subject: "ann"}))
	})
	in(func(s *httpmw.Session[cart], r *http.Request) error { return s.LogoutEverywhere(r.Context()) })
	in(func(s *httpmw.Session[cart], r *http.Request) error { return s.Logout(r.Context()) })
	want := []httpmw.Event{
		{Kind: httpmw.EventLogin, Session: ids[1], Previous: ids[0], Subject: "ann"},
		{Kind: httpmw.EventSetGroups, Session: ids[2], Previous: ids[1], Subject: "ann"},
		{Kind: httpmw.EventLogoutOthers, Session: ids[3], Previous: ids[2], Subject: "ann"},
		{Kind: httpmw.EventLogin, Session: ids[4], Previous: ids[3], Subject: "ann"},
		{Kind: httpmw.EventLogout, Session: ids[4], Subject: "ann"},
		{Kind: httpmw.EventRefused, Session: ids[4], Subject: "ann", Err: httpmw.ErrRevokedSession},
		{Kind: httpmw.EventLogin, Session: ids[5], Subject: "ann"},
		{Kind: httpmw.EventLogoutEverywhere, Session: ids[5], Subject: "ann"},
	}
	if diff := cmp.Diff(want, events, cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })); diff != "" {
		t.Error(diff)
	}
}

// The application may use the session while it is told of an event.
func TestOnEventMayUseTheSession(t *testing.T) {
	var f *fixture
	f = newFixture(t, httpmw.Config{OnEvent: func(_ context.Context, e httpmw.Event) {
		if e.Kind == httpmw.EventLogin {
			if err := f.From(seen).Set(cart{Note: "welcome"}); err != nil {
				t.Error(err)
			}
		}
	}})
	b := newBrowser()
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		seen = r.Context()
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); err != nil {
			t.Error(err)
		}
	})
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if s.Value().Note != "welcome" {
			t.Errorf("read %q", s.Value().Note)
		}
	})
}

var seen context.Context

// source is a ring that is slow to be refreshed.
type source struct {
	ring      atomic.Pointer[keys.Ring]
	refreshes atomic.Int64
	next      *keys.Ring
	slow      time.Duration
}

func (s *source) Ring() *keys.Ring { return s.ring.Load() }

func (s *source) Refresh(ctx context.Context) error {
	s.refreshes.Add(1)
	time.Sleep(s.slow)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.ring.Store(s.next)
	return nil
}

// An unknown key is looked for in the background, by one request at a time, and found by the next.
func TestUnknownKeyIsLookedFor(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		rotated, err := f.ring.Rotate(time.Now(), keys.Rotation{Immediate: true})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		ahead := newReplica(t, rotated, f.store.Unwrap(), httpmw.Config{})
		b := newBrowser()
		ahead.login(t, b, httpmw.Identity{Subject: "ann"})

		src := &source{next: rotated, slow: time.Second}
		src.ring.Store(f.ring)
		m, err := httpmw.New[cart](src, f.list, httpmw.Config{Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		behind := &fixture{Manager: m}
		time.Sleep(within)
		for range 50 {
			if _, err := behind.look(b); err != httpmw.ErrUnknownKey {
				t.Fatalf("got %v", err)
			}
		}
		synctest.Wait()
		if n := src.refreshes.Load(); n != 1 || m.Stats().Lookups != 1 {
			t.Errorf("looked %d times", n)
		}
		time.Sleep(2 * time.Second)
		if subject, err := behind.look(b); subject != "ann" || err != nil {
			t.Errorf("afterwards: %q, %v", subject, err)
		}
	})
}

// A Secure cookie over plain http is dropped by browsers: one warning says so, and what to do.
func TestWarningAboutPlainHTTP(t *testing.T) {
	for name, row := range map[string]struct {
		config httpmw.Config
		url    string
		header string
		warn   bool
	}{
		"plain":                {httpmw.Config{}, "http://app.test/", "", true},
		"address":              {httpmw.Config{}, "http://192.0.2.1:8080/", "", true},
		"insecure by choice":   {httpmw.Config{InsecureHTTP: true}, "http://app.test/", "", false},
		"https":                {httpmw.Config{}, "https://app.test/", "", false},
		"localhost":            {httpmw.Config{}, "http://localhost:8080/", "", false},
		"below localhost":      {httpmw.Config{}, "http://app.localhost/", "", false},
		"loopback":             {httpmw.Config{}, "http://127.0.0.1:8080/", "", false},
		"loopback, IPv6":       {httpmw.Config{}, "http://[::1]:8080/", "", false},
		"behind a proxy":       {httpmw.Config{}, "http://app.test/", "X-Forwarded-Proto: https", false},
		"browser sees https":   {httpmw.Config{}, "http://app.test/", "Sec-Fetch-Site: same-origin", false},
		"origin of https":      {httpmw.Config{}, "http://app.test/", "Origin: https://app.test", false},
		"origin of http":       {httpmw.Config{}, "http://app.test/", "Origin: http://app.test", true},
		"looks like localhost": {httpmw.Config{}, "http://localhost.test/", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			var out logs
			row.config.Logger = out.logger(slog.LevelWarn)
			f := newFixture(t, row.config)
			for range 3 {
				r := httptest.NewRequest("GET", row.url, nil)
				if k, v, ok := strings.Cut(row.header, ": "); ok {
					r.Header.Set(k, v)
				}
				newBrowser().send(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if err := f.From(r.Context()).Set(cart{}); err != nil {
						t.Error(err)
					}
				})), r)
			}
			want := 0
			if row.warn {
				want = 1
			}
			if got := out.Count("InsecureHTTP"); got != want {
				t.Errorf("%d warnings, want %d:\n%s", got, want, out.String())
			}
		})
	}
}

// Stats are data that a collector can pass on.
func TestStatsAreJSON(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	f.login(t, newBrowser(), httpmw.Identity{Subject: "ann"})
	b, err := json.Marshal(f.Stats())
	if err != nil || !strings.Contains(string(b), `"Written":1`) {
		t.Errorf("%s, %v", b, err)
	}
}

// Reason finds the name also where the refusal is wrapped, and has none for errors that refuse no session.
func TestReasonOfAnError(t *testing.T) {
	for err, want := range map[error]string{
		fmt.Errorf("account: %w", httpmw.ErrExpiredIdle):  "expired_idle",
		fmt.Errorf("%w: %w", httpmw.ErrUndecided, io.EOF): "undecided",
		errors.Join(io.EOF, httpmw.ErrRevokedSubject):     "revoked_subject",
		httpmw.ErrNoLogin:     "",
		httpmw.ErrCommitted:   "",
		httpmw.ErrUnavailable: "", // not each is ErrUndecided
		nil:                   "",
	} {
		if got := httpmw.Reason(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
