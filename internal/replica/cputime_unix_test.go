//go:build unix

package replica

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time that this process has used. On a machine with
// other load it says more than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
