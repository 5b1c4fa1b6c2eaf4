//go:build race

package capacity

// The race detector makes everything ten times slower, and what is estimated is not what it is about.
const racing = true
