//go:build !race

package revocation_test

const (
	racing  = false
	replays = 1_000_000
)
