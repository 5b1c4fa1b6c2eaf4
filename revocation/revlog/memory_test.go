package revlog_test

import (
	"testing"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func TestMemory(t *testing.T) {
	revlogtest.TestStore(t, func(*testing.T) revlog.Store { return revlog.NewMemory() })
}
