package keys_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "wafer")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	// The first run creates the ring and the key that encrypts it.
	ring := filepath.Join(dir, "ring.jwe")
	kek := keys.KEKFile(filepath.Join(dir, "kek"))
	file, err := keys.OpenFile(ctx, ring, kek, keys.FileConfig{Create: true})
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()

	// Add a new key. Every replica has it before it begins to seal.
	err = file.Edit(ctx, func(r *keys.Ring) (*keys.Ring, error) {
		return r.Rotate(time.Now(), keys.Rotation{})
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, k := range file.Ring().Keys() {
		fmt.Println(file.Ring().State(k, time.Now()))
	}
	// Output:
	// pending
	// sealing
}

// A ring may come in the environment, encrypted, and so may its key.
func ExampleStatic() {
	os.Setenv("WAFER_KEK", "nQH-dwDEoTJbbohD0vAZars8VRfkqA1yY58oTsG2BX4")
	defer os.Unsetenv("WAFER_KEK")

	encrypted, err := os.ReadFile("testdata/ring-kek.jwe") // or os.Getenv
	if err != nil {
		log.Fatal(err)
	}
	ring, err := keys.KEKEnv("WAFER_KEK").Open(context.Background(), encrypted)
	if err != nil {
		log.Fatal(err)
	}
	var source keys.Source = keys.Static(ring)
	fmt.Println(source.Ring())
	// Output: keys.Ring(pU3KGCUwux1tEyze1iN7Lg, 3 keys)
}
