package devices_test

import (
	"context"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func TestWhatNewRefuses(t *testing.T) {
	r := one(t, devices.Config{})
	for name, row := range map[string]struct {
		store devices.Store
		list  *revocation.List
		c     devices.Config
	}{
		"no store":           {nil, r.list, devices.Config{}},
		"no list":            {devices.NewMemory(), nil, devices.Config{}},
		"a disabled list":    {devices.NewMemory(), revocation.Disabled(revlogtest.Secrets(1)), devices.Config{}},
		"a negative limit":   {devices.NewMemory(), r.list, devices.Config{Max: -1}},
		"a limit above 256":  {devices.NewMemory(), r.list, devices.Config{Max: 257}},
		"two limits":         {devices.NewMemory(), r.list, devices.Config{Max: 1, MaxFor: func(context.Context, string) (int, error) { return 1, nil }}},
		"a negative timeout": {devices.NewMemory(), r.list, devices.Config{Timeout: -time.Second}},
	} {
		if _, err := devices.New(row.store, row.list, row.c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
