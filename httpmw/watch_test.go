package httpmw_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
)

func TestWatchEnds(t *testing.T) {
	const notice = within + within/4
	for name, row := range map[string]struct {
		do    func(*testing.T, *fixture, *browser)
		after time.Duration // it lasts for so long
		by    time.Duration // and ends within so much more
		cause error
	}{
		"idle limit": {func(*testing.T, *fixture, *browser) {}, longerThanGrace - time.Second, notice, httpmw.ErrExpiredIdle},
		"session revoked": {func(t *testing.T, f *fixture, b *browser) {
			f.in(b.copy(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if err := s.Logout(r.Context()); err != nil {
					t.Error(err)
				}
			})
		}, 0, notice, httpmw.ErrRevokedSession},
		"subject revoked":  {revoke(revocation.Subject("ann")), 0, notice, httpmw.ErrRevokedSubject},
		"group revoked":    {revoke(revocation.Group("g")), 0, notice, httpmw.ErrRevokedGroup},
		"everyone revoked": {revoke(revocation.Everyone()), 0, notice, httpmw.ErrRevokedEveryone},
		"somebody else":    {revoke(revocation.Subject("bob")), longerThanGrace - time.Second, notice, httpmw.ErrExpiredIdle},
		"store silent": {func(_ *testing.T, f *fixture, _ *browser) { f.store.Fail() },
			grace - time.Second, 2 * notice, httpmw.ErrUndecided},
		"store silent for a while": {func(_ *testing.T, f *fixture, _ *browser) {
			f.store.Fail()
			time.AfterFunc(grace/2, func() { f.store.Recover() })
		}, longerThanGrace - time.Second, notice, httpmw.ErrExpiredIdle},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{Idle: longerThanGrace})
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann", Groups: []string{"g"}})
				f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					ctx, cancel := s.Watch(r.Context())
					defer cancel()
					row.do(t, f, b)
					time.Sleep(row.after)
					if row.after > 0 && ctx.Err() != nil {
						t.Errorf("ended too early: %v", context.Cause(ctx))
					}
					time.Sleep(row.by)
					if got := context.Cause(ctx); got != row.cause {
						t.Errorf("ended with %v, want %v", got, row.cause)
					}
				})
			})
		})
	}
}

// However long a stream lasts, it asks the store no more than any request does.
func TestWatchAsksNobody(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			_, cancel := s.Watch(r.Context())
			defer cancel()
			before := f.store.Confirms()
			time.Sleep(time.Hour)
			if n := f.store.Confirms() - before; n != 0 {
				t.Errorf("%d questions to the store in an hour", n)
			}
		})
	})
}

// A stream of a session that only the store can decide asks it, at first.
func TestWatchOnAReplicaThatStartedLately(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(time.Hour)
		late := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
		late.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			ctx, cancel := s.Watch(r.Context())
			defer cancel()
			time.Sleep(30 * time.Minute)
			if n := late.store.Confirms(); n != 1 || ctx.Err() != nil {
				t.Errorf("asked %d times, ended with %v", n, context.Cause(ctx))
			}
			// While the store is silent for a moment, an answer is asked for and not had, and the window decides.
			late.store.Fail()
			time.Sleep(2 * within)
			late.store.Recover()
			time.Sleep(2 * within)
			if ctx.Err() != nil {
				t.Errorf("ended with %v", context.Cause(ctx))
			}
		})
	})
}

// A stream that begins when a renewal is due lives by the renewal that leaves with its first byte.
func TestWatchLivesByItsRenewal(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{Idle: time.Hour})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(50 * time.Minute)
		f.in(b, func(w http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			ctx, cancel := s.Watch(r.Context())
			defer cancel()
			w.WriteHeader(200)
			time.Sleep(time.Hour - time.Second)
			if ctx.Err() != nil {
				t.Errorf("ended with %v", context.Cause(ctx))
			}
			time.Sleep(within)
			if got := context.Cause(ctx); got != httpmw.ErrExpiredIdle {
				t.Errorf("ended with %v", got)
			}
		})
	})
}

func TestWatchWithoutASession(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	junk := newBrowser()
	junk.jar[sessionName] = "junk"
	for _, row := range []struct {
		who   *browser
		cause error
	}{{newBrowser(), httpmw.ErrNoLogin}, {junk, httpmw.ErrMalformed}} {
		f.in(row.who, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			ctx, cancel := s.Watch(r.Context())
			defer cancel()
			if got := context.Cause(ctx); got != row.cause {
				t.Errorf("ended with %v, want %v", got, row.cause)
			}
		})
	}
}

// The context ends with its parent and with its function, and nothing is left running: synctest would say so.
func TestWatchIsStopped(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			ctx, cancel := s.Watch(r.Context())
			cancel()
			if got := context.Cause(ctx); got != context.Canceled {
				t.Errorf("ended with %v", got)
			}
			bye := errors.New("shutting down")
			parent, stop := context.WithCancelCause(r.Context())
			ctx, cancel = s.Watch(parent)
			defer cancel()
			stop(bye)
			if got := context.Cause(ctx); got != bye {
				t.Errorf("ended with %v", got)
			}
		})
	})
}

// A logout in the same request ends the stream, and so does a switch: the session it began with is no more.
func TestWatchOfAReplacedSession(t *testing.T) {
	for name, do := range map[string]func(*httpmw.Session[cart], *http.Request) error{
		"logout": func(s *httpmw.Session[cart], r *http.Request) error { return s.Logout(r.Context()) },
		"switch": func(s *httpmw.Session[cart], r *http.Request) error { return s.SetGroups(r.Context(), nil) },
		"login": func(s *httpmw.Session[cart], r *http.Request) error {
			return s.Login(r.Context(), httpmw.Identity{Subject: "ann"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				f := newFixture(t, httpmw.Config{})
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann"})
				f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
					ctx, cancel := s.Watch(r.Context())
					defer cancel()
					if err := do(s, r); err != nil {
						t.Error(err)
					}
					time.Sleep(within)
					if got := context.Cause(ctx); got != httpmw.ErrRevokedSession {
						t.Errorf("ended with %v", got)
					}
				})
			})
		})
	}
}
