package wafertest_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
)

// fakeTB is a test that may fail without failing the real one. One goroutine uses it at a time.
type fakeTB struct {
	testing.TB
	ctx      context.Context
	failures []string
	cleanups []func()
}

func (f *fakeTB) Helper()                  {}
func (f *fakeTB) Context() context.Context { return f.ctx }
func (f *fakeTB) Cleanup(do func())        { f.cleanups = append(f.cleanups, do) }
func (f *fakeTB) Error(args ...any)        { f.failures = append(f.failures, fmt.Sprint(args...)) }

func (f *fakeTB) Errorf(format string, args ...any) {
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}
