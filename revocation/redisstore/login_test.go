package redisstore_test

import (
	"net/http/cookiejar"
	"testing"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// R30: a page resets the password, logs out everywhere, and logs in again, each through another
// replica and without a pause. Every replica accepts the new session.
func TestR30LoginRightAfterALogoutEverywhere(t *testing.T) {
	s := redistest.Start(t, "--appendonly", "yes")
	ring := keys.Generate(0)
	replicas := []*process{start(t, s.Addr, ring, redisstore.Config{}), start(t, s.Addr, ring, redisstore.Config{})}
	browser := must(cookiejar.New(nil))
	for i := range 40 {
		here, there := replicas[i%2], replicas[(i+1)%2]
		for _, step := range []struct {
			at   *process
			path string
		}{{here, "/login"}, {here, "/everywhere"}, {there, "/login"}, {there, "/account"}, {here, "/account"}} {
			if res, body := step.at.get(t, browser, step.path); res.StatusCode != 200 {
				t.Fatalf("round %d, %s: %s %s", i, step.path, res.Status, body)
			}
		}
	}
}
