// Package bubble runs tests under [testing/synctest], also in FIPS 140 mode.
package bubble

import (
	"crypto/fips140"
	"sync/atomic"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
)

var seeds atomic.Uint64

// Test runs f in a bubble in which time is simulated.
//
// In FIPS 140 mode, the random generator of the standard library seeds itself from the jitter of
// the clock. The clock stands still in a bubble, so the generator would panic. The bubble therefore
// gets a deterministic generator, a different one each time, since it belongs to the whole program
// and bubbles may run at the same time.
func Test(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if fips140.Enabled() {
		cryptotest.SetGlobalRandom(t, seeds.Add(1))
	}
	synctest.Test(t, f)
}
