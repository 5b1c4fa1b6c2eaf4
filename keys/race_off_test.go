//go:build !race

package keys_test

const racing = false
