//go:build !race

package revocation_test

const replays = 1_000_000
