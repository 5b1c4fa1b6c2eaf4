package keys_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/wafer-sessions/wafer/keys"
)

// A Kubernetes secret is mounted as a folder with a file for each of its entries. This program
// reads two of them: the KEK, and the next one while the KEK changes. It is never restarted for
// that. To change the KEK,
//
//  1. add the entry "next" to the secret, and wait until every pod has it, a minute or two;
//  2. rewrap the ring from "current" to "next";
//  3. make "next" the entry "current", and remove "next".
func ExampleKEKs() {
	dir, err := os.MkdirTemp("", "wafer")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ring := filepath.Join(dir, "ring.jwe")
	secret := filepath.Join(dir, "kek") // volumeMounts: {mountPath: /etc/wafer/kek, readOnly: true}
	old, next := randomKEK(), randomKEK()
	mount(secret, map[string]string{"current": old})

	kek := keys.KEKs(
		keys.KEKFile(filepath.Join(secret, "current")),
		keys.KEKFile(filepath.Join(secret, "next")), // missing most of the time
	)
	ctx := context.Background()
	file, err := keys.OpenFile(ctx, ring, kek, keys.FileConfig{Create: true})
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()

	mount(secret, map[string]string{"current": old, "next": next})
	from, to := keys.KEKFile(filepath.Join(secret, "current")), keys.KEKFile(filepath.Join(secret, "next"))
	if err := keys.RewrapFile(ctx, ring, from, to); err != nil { // or wafer keys rewrap
		log.Fatal(err)
	}
	fmt.Println("rewrapped:", file.Edit(ctx, rotate))

	mount(secret, map[string]string{"current": next})
	fmt.Println("only the new one:", file.Edit(ctx, rotate))
	// Output:
	// rewrapped: <nil>
	// only the new one: <nil>
}
