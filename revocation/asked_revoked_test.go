package revocation_test

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A subject of which only something is asked is not revoked (R36).
func TestR36AskedIsNotRevoked(t *testing.T) {
	l, err := revocation.Open(t.Context(), revlog.NewMemory(), revlogtest.Secrets(1), revocation.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ada := revocation.Subject("ada")
	if _, err := l.RequireLogin(t.Context(), ada, revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); l.Stats().Entries == 0; time.Sleep(time.Millisecond) { // until the window has it
		if time.Now().After(deadline) {
			t.Fatal("the window never has it")
		}
	}
	if since, revoked, err := l.Revoked(t.Context(), ada); revoked || err != nil {
		t.Errorf("revoked since %v, %v", since, err)
	}
}
