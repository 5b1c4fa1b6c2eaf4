//go:build !unix

package revocation

import "time"

func cpuTime() time.Duration { return 0 }
