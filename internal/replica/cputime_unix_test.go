//go:build unix

package replica

import (
	"syscall"
	"time"
)

// cpuTime returns what this process has used of the processors, which on a
// machine that others use says more than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
