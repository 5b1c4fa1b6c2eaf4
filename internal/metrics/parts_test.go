package metrics_test

import (
	"testing"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/internal/metrics"
)

type part struct{}

func (part) Stats() httpmw.Stats                           { return httpmw.Stats{} }
func (part) Counts() (requests, fetches map[string]uint64) { return nil, nil }

type endpoints struct{}

func (endpoints) Counts() map[string]map[string]uint64 { return nil }

type registry struct{}

func (registry) Stats() devices.Stats { return devices.Stats{} }

type mover struct{}

func (mover) Stats() adopt.Stats { return adopt.Stats{} }

// A name that cannot be a label is found at once. Otherwise the first scrape would panic, in a goroutine of
// the registry, and end the process.
func TestNamesThatCannotBeLabels(t *testing.T) {
	for name, ok := range map[string]bool{"shop": true, "Läden": true, "": false, "shop\xff": false} {
		for what, p := range map[string]metrics.Parts{
			"Apps":      {Apps: map[string]metrics.Manager{name: part{}}},
			"Movers":    {Movers: map[string]metrics.Mover{name: mover{}}},
			"Receivers": {Receivers: map[string]metrics.Receiver{name: part{}}},
			"Endpoints": {Endpoints: map[string]metrics.Endpoints{name: endpoints{}}},
			"Devices":   {Devices: map[string]metrics.Devices{name: registry{}}},
		} {
			if _, err := p.Checked(); (err == nil) != ok {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
	for what, p := range map[string]metrics.Parts{
		"Apps":      {Apps: map[string]metrics.Manager{"shop": nil}},
		"Movers":    {Movers: map[string]metrics.Mover{"shop": nil}},
		"Receivers": {Receivers: map[string]metrics.Receiver{"shop": nil}},
		"Endpoints": {Endpoints: map[string]metrics.Endpoints{"shop": nil}},
		"Devices":   {Devices: map[string]metrics.Devices{"shop": nil}},
	} {
		if _, err := p.Checked(); err == nil {
			t.Errorf("%s may be nil", what)
		}
	}
}
