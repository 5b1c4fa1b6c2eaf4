//go:build race

package revocation_test

// Under the race detector everything takes ten times as long.
const (
	racing  = true
	replays = 20_000
)
