//go:build race

package revocation_test

// The race detector makes everything ten times slower.
const (
	racing  = true
	replays = 20_000
)
