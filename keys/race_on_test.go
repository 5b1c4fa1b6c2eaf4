//go:build race

package keys_test

// The race detector makes processes start ten times slower.
const racing = true
