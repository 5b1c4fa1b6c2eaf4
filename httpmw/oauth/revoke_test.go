package oauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A revoked session is inactive here at once, and elsewhere within S. Others are not touched.
func TestRevokeEndsTheSessionEverywhere(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		here := start(t, all)
		there := join(t, here.ring, here.store.Unwrap(), all)
		bearer, other, cookie := here.issue(t), here.issue(t), here.login(t)[cookieName]
		for _, token := range []string{bearer, cookie} {
			there.active(t, token, true)
			here.ends(t, token)
			here.active(t, token, false)
			time.Sleep(within)
			there.active(t, token, false)
			there.ends(t, token) // again: it is revoked already
		}
		here.active(t, other, true)
	})
}

// A copy of an idle session may be alive at another replica's clock, or by a newer renewal.
func TestRevokeEndsWhatHasExpired(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := start(t, all)
		jar := f.login(t)
		old := jar[cookieName]
		time.Sleep(90 * time.Minute)
		f.browse(t, jar, func(s *httpmw.Session[data], _ *http.Request) error { return s.Err() })
		time.Sleep(time.Hour)
		f.active(t, old, false)
		pair := old + "~" + jar[cookieName+"-seen"]
		f.active(t, pair, true)
		f.ends(t, old)
		f.active(t, pair, false)
	})
}

// While the store does not acknowledge, the caller learns that, and asks again until it does.
func TestRevokeWhileTheStoreIsSilent(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		var events []httpmw.Event
		f := joinWith(t, keys.Static(keys.Generate(0)), revlog.NewMemory(),
			httpmw.Config{OnEvent: func(_ context.Context, e httpmw.Event) { events = append(events, e) }})
		there := join(t, f.ring, f.store.Unwrap())
		bearer := f.issue(t)
		f.store.Fail()
		for range 2 {
			f.revoke(t, bearer).fails(t, http.StatusServiceUnavailable, "temporarily_unavailable")
		}
		f.active(t, bearer, false)
		there.active(t, bearer, true)
		f.store.Recover()
		f.ends(t, bearer)
		time.Sleep(within)
		there.active(t, bearer, false)
		for i, failed := range []bool{false, true, true, false} { // the first is the login
			if i >= len(events) || errors.Is(events[i].Err, httpmw.ErrUnavailable) != failed {
				t.Fatalf("%d events, %v", len(events), events)
			}
		}
	})
}

// A replica that is shutting down does not claim to have revoked anything.
func TestRevokeWhileClosed(t *testing.T) {
	f := start(t)
	bearer := f.issue(t)
	f.list.Close()
	f.revoke(t, bearer).fails(t, http.StatusServiceUnavailable, "temporarily_unavailable")
}

func TestRevokeWithARevokedKey(t *testing.T) {
	f := start(t)
	bearer := f.issue(t)
	revoked, err := f.ring.Revoke(time.Now(), f.ring.Keys()[0].ID())
	if err != nil {
		t.Fatal(err)
	}
	join(t, revoked, revlog.NewMemory()).ends(t, bearer)
}

func TestManagerRevoke(t *testing.T) {
	f := start(t)
	ctx := t.Context()
	bearer, cookie := f.issue(t), f.login(t)[cookieName]
	for name, row := range map[string]struct{ got, want error }{
		"a cookie as a bearer token": {f.Manager.Revoke(ctx, cookie), httpmw.ErrInvalid},
		"a bearer token as a cookie": {f.RevokeCookies(ctx, bearer), httpmw.ErrInvalid},
		"nothing":                    {f.Manager.Revoke(ctx, ""), httpmw.ErrInvalid},
		"no cookie":                  {f.RevokeCookies(ctx, "", ""), httpmw.ErrInvalid},
		"damaged":                    {f.Manager.Revoke(ctx, strings.Replace(bearer, "..", "..A", 1)), httpmw.ErrInvalid},
	} {
		if !errors.Is(row.got, row.want) {
			t.Errorf("%s: %v", name, row.got)
		}
	}
	f.active(t, bearer, true)
	ring := keys.Generate(0)
	m, err := httpmw.New[data](keys.Static(ring), revocation.Disabled(ring), httpmw.Config{})
	if err != nil {
		t.Fatal(err)
	}
	disabled, err := m.Issue(ctx, httpmw.Identity{Subject: "ann"}, data{}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Revoke(ctx, disabled); !errors.Is(err, revocation.ErrDisabled) {
		t.Errorf("without a list: %v", err)
	}
}
