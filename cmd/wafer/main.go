// Wafer makes and keeps the keys of sealed sessions, explains tokens, and shows
// with a demo how sessions without a store are revoked.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), newRoot(), os.Args[1:]))
}
