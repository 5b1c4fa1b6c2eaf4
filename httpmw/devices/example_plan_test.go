package devices_test

import (
	"context"
	"fmt"
	"log"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Who pays may be signed in on more devices.
func ExampleConfig_plans() {
	ring := keys.Generate(0)
	list, err := revocation.Open(context.Background(), revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer list.Close()

	plans := map[string]int{"ann": 1, "bob": 3} // in the application's database
	registry, err := devices.New(devices.NewMemory(), list, devices.Config{
		MaxFor: func(ctx context.Context, subject string) (int, error) {
			return plans[subject], nil // 0: any number
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{Devices: registry})
	if err != nil {
		log.Fatal(err)
	}
	for _, subject := range []string{"ann", "bob"} {
		first, err := sessions.Issue(context.Background(), httpmw.Identity{Subject: subject, Device: "phone"}, struct{}{}, 0)
		if err != nil {
			log.Fatal(err)
		}
		if _, err := sessions.Issue(context.Background(), httpmw.Identity{Subject: subject, Device: "laptop"}, struct{}{}, 0); err != nil {
			log.Fatal(err)
		}
		_, err = sessions.Check(context.Background(), first)
		fmt.Println(subject, "is still signed in on the first device:", err == nil)
	}
	// Output:
	// ann is still signed in on the first device: false
	// bob is still signed in on the first device: true
}
