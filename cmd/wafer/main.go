// Wafer makes and keeps the keys of sealed sessions, explains tokens, and shows
// with a demo how sessions without a store are revoked.
package main

import (
	"context"
	"log/slog"
	"os"
)

func main() {
	// A command says in a line of its own what went wrong; what libraries log on the
	// way would bury it. The demo has its own logger.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(run(context.Background(), newRoot(), os.Args[1:]))
}
