//go:build race

package replica

// The race detector makes everything ten times slower.
const (
	manySessions = 100_000
	Histories    = 100
)
