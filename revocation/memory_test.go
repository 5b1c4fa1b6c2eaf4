package revocation_test

import (
	"testing"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revocationtest"
)

func TestMemory(t *testing.T) {
	revocationtest.TestStore(t, func(*testing.T) revocation.Store { return revocation.NewMemory() })
}
