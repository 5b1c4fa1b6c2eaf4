//go:build race

package revocation_test

const replays = 100_000
