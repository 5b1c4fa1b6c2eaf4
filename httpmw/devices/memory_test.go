package devices_test

import (
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/devices/devicestest"
)

func TestMemory(t *testing.T) {
	devicestest.Test(t, func(*testing.T) devices.Store { return devices.NewMemory() })
}
