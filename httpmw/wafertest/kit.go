// Package wafertest helps to test applications that keep their sessions with Wafer.
//
// [New] makes a Manager that needs no file, no Redis and no network. Give [Kit.Manager] to the
// application in place of its own. [Kit.SignIn] logs a client in without the application's login
// page, and [Kit.SignInRequest] does so for a request to a handler that is called directly.
// [Kit.Revoke], [Kit.Stale] and [Kit.Silent] show how the application behaves when a session is
// revoked, and while the store does not answer. [Kit.FailOnLostChanges] finds handlers that changed
// a value and forgot to Set it.
//
// The Kit works with real servers, and within testing/synctest if it is made inside the bubble,
// with the bubble's T. A helper that cannot do its work fails the test.
package wafertest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A Kit is a Manager with the list and the ring it uses. It belongs to one test, whose goroutines
// may use it concurrently.
type Kit[T any] struct {
	Manager *httpmw.Manager[T]
	List    *revocation.List
	Keys    keys.Source // always Ring()

	tb    testing.TB
	http  bool // whether cookies work over plain http
	store *revlogtest.Faulty
	lost  *recorder
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (k *Kit[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "wafertest.Kit") }

const (
	// within is long enough for a reader on a busy machine, and short enough to wait for.
	within = time.Second
	// grace is longer than any test, so that Stale lasts.
	grace = 24 * time.Hour
)

// New returns a Kit for a Manager of c, with the fixed Ring and a list in memory, which is closed
// when the test ends. It accepts any limits that a ring may have. Zero Config.Logger: nothing is
// logged.
//
// httptest.NewServer uses plain http, so c needs InsecureHTTP. httptest.NewTLSServer works with any
// c.
func New[T any](tb testing.TB, c httpmw.Config) *Kit[T] {
	tb.Helper()
	k := &Kit[T]{tb: tb, http: c.InsecureHTTP, store: revlogtest.NewFaulty(revlog.NewMemory())}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	k.lost = &recorder{inner: c.Codec}
	c.Codec = k.lost
	ring := Ring()
	k.Keys = keys.Static(ring)
	var err error
	k.List, err = revocation.Open(tb.Context(), k.store, ring, revocation.Config{
		MaxIdle: keys.LongestSession, Within: within, Grace: grace, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		tb.Fatalf("wafertest: %v", err)
	}
	tb.Cleanup(func() {
		k.store.Recover() // revocations still waiting may be written
		if err := k.List.Close(); err != nil {
			tb.Errorf("wafertest: close the list: %v", err)
		}
	})
	if k.Manager, err = httpmw.New[T](k.Keys, k.List, c); err != nil {
		tb.Fatalf("wafertest: %v", err)
	}
	return k
}

// Ring returns a ring that is the same in every process and at any time. So the ids of its keys,
// and the tags of subjects and groups in tokens and in the list, are the same in every run. Its
// keys are public: they protect nothing.
func Ring() *keys.Ring {
	secret := func(label string, size int) string {
		h := sha256.Sum256([]byte("wafertest, known to everybody: " + label))
		return base64.RawURLEncoding.EncodeToString(h[:size])
	}
	// From the first second of 1970: a bubble of testing/synctest begins in 2000.
	doc := fmt.Sprintf(`{"ring":%q,"iat":1,"max_session":%d,"list_key":%q,"keys":[{"kty":"oct","alg":"A256GCM","kid":%q,"k":%q,"iat":1,"nbf":1}]}`,
		secret("ring", 16), keys.LongestSession/time.Second, secret("list key", 32), secret("kid", 8), secret("key", 32))
	ring, err := keys.Parse([]byte(doc))
	if err != nil {
		panic("wafertest: " + err.Error()) // the document is always the same
	}
	return ring
}

// Revoke revokes t. Every session it names is refused when Revoke returns.
func (k *Kit[T]) Revoke(t revocation.Target) {
	k.tb.Helper()
	if _, err := k.List.Revoke(k.tb.Context(), t, revocation.Options{}); err != nil {
		k.tb.Fatalf("wafertest: revoke: %v", err)
	}
}
