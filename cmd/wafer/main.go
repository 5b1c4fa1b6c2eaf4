// Wafer makes, rotates and revokes the keys of sealed sessions, ends sessions,
// follows the list of revocations, checks a Redis, explains tokens, and shows with
// a demo how sessions without a store are revoked.
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
