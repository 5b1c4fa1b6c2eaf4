// Wafer makes, rotates and revokes the keys that seal sessions, ends sessions, looks up revocations,
// follows the list of them, checks a Redis, explains tokens, estimates capacity, and runs a demo of
// sessions that need no store and can be revoked all the same.
package main

import (
	"context"
	"log/slog"
	"os"
)

func main() {
	// A command prints one line about what went wrong. Log lines of libraries would bury it. The demo
	// has a logger of its own.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(run(context.Background(), newRoot(), os.Args[1:]))
}
