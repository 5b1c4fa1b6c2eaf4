package demo_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

// Two processes at one Redis serve each other's sessions, and what one revokes the other refuses.
func TestTwoDemosShareARedis(t *testing.T) {
	s := redistest.Start(t)
	kek := sha256.Sum256([]byte(t.Name()))
	t.Setenv("WAFER_KEK", base64.RawURLEncoding.EncodeToString(kek[:]))
	one, two := start(t, "--redis", "redis://"+s.Addr), start(t, "--redis", "redis://"+s.Addr)

	ada, bob := one.login("ada"), two.login("bob")
	first := ada.read(one)
	if there := ada.read(two); there.Status != http.StatusOK || there.SID != first.SID || there.Subject != "ada" {
		t.Errorf("the other process says %+v of %+v", there, first)
	}
	if there := bob.read(one); there.Status != http.StatusOK || there.Subject != "bob" {
		t.Errorf("and of bob %+v", there)
	}
	if status, answer := ada.ask(one, http.MethodPost, "/role", nil); status != http.StatusOK {
		t.Fatalf("changing the role: %d %v", status, answer)
	}
	redistest.Await(t, "the other process loads the role", func() bool { return ada.read(two).Data.Role == "editor" })
	acknowledged := two.revoke("session", first.SID)
	ada.refusedWithin(one, acknowledged, promised)
	ada.refusedWithin(two, acknowledged, promised)
	bob.everyReplica(one, http.StatusOK)

	// All replicas of both are known, with the keys they hold.
	for deadline := time.Now().Add(20 * time.Second); ; {
		status, all := one.admin(http.MethodGet, "/replicas", one.token, "")
		list, _ := all["replicas"].([]any)
		// A replica registers before it says which keys it holds.
		if status == http.StatusOK && len(list) == 2*replicas && strings.Count(fmt.Sprint(list), "keys:") == 2*replicas {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("replicas: %d %v", status, all)
		}
	}

	two.kill()
	two = start(t, "--redis", "redis://"+s.Addr)
	ada.everyReplica(two, http.StatusUnauthorized)
	bob.everyReplica(two, http.StatusOK)
	if keys := s.Do("KEYS", "*"); !strings.Contains(keys, "{wafer}:ring") || strings.Contains(keys, "bob") {
		t.Errorf("in Redis there is %q", keys)
	}
}
