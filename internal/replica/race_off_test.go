//go:build !race

package replica

const (
	manySessions = 1_000_000
	Histories    = 500 // of TestModel
)
