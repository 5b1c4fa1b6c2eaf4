package metrics

import (
	"crypto/fips140"
	"runtime"
	"strconv"

	"github.com/wafer-sessions/wafer/internal/replica"
)

var build = gauge("build.info", "", "1, with the versions of Wafer and of Go, and whether FIPS 140-3 mode is on.", "version", "goversion", "fips")

var ofProcess = []*Metric{build}

func collectProcess(s Sink) {
	s.Number(build, 1, replica.ModuleVersion(), runtime.Version(), strconv.FormatBool(fips140.Enabled()))
}
