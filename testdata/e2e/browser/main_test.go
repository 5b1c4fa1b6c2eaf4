package browser

import (
	"testing"

	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

func TestMain(m *testing.M) { browsertest.Main(m) }
