package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/internal/meter"
	"github.com/wafer-sessions/wafer/keys"
)

// A meanwhileRing is a ring that counts over a fleet, and in which something happens right before each
// edit.
type meanwhileRing struct {
	*keys.File
	meter   *keys.Meter
	happens func()
}

func (r meanwhileRing) Meter() *keys.Meter { return r.meter }

func (r meanwhileRing) Edit(ctx context.Context, edit func(*keys.Ring) (*keys.Ring, error)) error {
	r.happens()
	return r.File.Edit(ctx, edit)
}

// A key that a replica seals with at the last moment is not pruned.
func TestPruneChecksWhatIsNeededWhileItEdits(t *testing.T) {
	file := openThreeKeys(t)
	counts := meter.NewFleet(meter.Limits{})
	p := &editorPlace{flags: &listFlags{}, opened: meanwhileRing{file, keys.MeterOf(counts), func() {
		counts.Told("gbG68j47-e4", 1, time.Now().Unix(), 0)
	}}}
	if _, _, err := p.change(t.Context(), "/keys/prune", adminapi.Pruning{}); !errors.Is(err, adminapi.ErrInUse) {
		t.Errorf("pruned a key that is needed: %v", err)
	}
	if n := len(file.Ring().Keys()); n != 3 {
		t.Errorf("%d keys are left, want 3", n)
	}
}

// threeKeys is a ring with one key that seals, and two that expired.
const threeKeys = `{"ring":"pU3KGCUwux1tEyze1iN7Lg","iat":1767225600,"max_session":86400,"list_key":"2R4_ch_LGXEXRJTWSTydXDRgvjEgHmn-2qDu6LmZf1w","keys":[{"kty":"oct","alg":"A256GCM","kid":"9fefK0k0r4c","k":"dwb4XYaQAkrWvaNAG-nIy8zJNfbNH2EiauFTOK4aNAA","iat":1767312000,"nbf":1767312600},{"kty":"oct","alg":"A256GCM","kid":"gbG68j47-e4","k":"sQvstVY7_B5vk0J-y8j-KVXlzY5G3I7Ut8J2TSpaTXY","iat":1767225601,"nbf":1767225600,"exp":1767485400},{"kty":"oct","alg":"A256GCM","kid":"TTO6DSRqwEw","k":"fCmZ_a_lkyU81lSvTfrXFCegrrP-6SMvivIhH57kkcU","iat":1767225600,"nbf":1767225600,"exp":1767398400,"revoked":1767225660}]}`
