package revocation_test

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// R32: an older release that revokes up to a moment takes the place of an entry of a newer release
// that reaches further. No session that this one names is accepted because of that.
func TestR32WhatANewerReleaseWroteIsNotLost(t *testing.T) {
	for _, e := range []revlog.Effect{revlog.End, revlog.RequireLogin, revlog.Reload} {
		t.Run(e.String(), func(t *testing.T) {
			bubble.Test(t, func(t *testing.T) {
				store := script()
				l := open(t, store)
				time.Sleep(time.Minute)
				before := time.Now()
				time.Sleep(time.Minute)
				q := login(t, l, 1, "ada")
				time.Sleep(5 * time.Second)
				newer := forgery(l, revocation.Subject("ada"))
				newer.Version, newer.Effect, newer.Params = 0x22, e.Byte(), "only from abroad"
				newer.W, newer.Limit = time.Now().UnixMilli(), time.Now().UnixMilli()
				sign(&newer)
				store.puts(newer)
				ask := map[revlog.Effect]asking{
					revlog.End: (*revocation.List).Revoke, revlog.RequireLogin: (*revocation.List).RequireLogin, revlog.Reload: (*revocation.List).Reload,
				}[e]
				if _, err := ask(l, t.Context(), revocation.Subject("ada"), revocation.Options{Before: before}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				asksAll(t, l)
				for _, l := range []*revocation.List{l, open(t, store)} {
					if v := verdict(t, l, q); v.Outcome == replica.Accept && v.Asks == 0 {
						t.Errorf("accepted: %+v", v)
					}
				}
			})
		})
	}
}
