//go:build !race

package demo_test

var buildFlags []string
