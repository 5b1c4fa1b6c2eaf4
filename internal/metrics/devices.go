package metrics

import "github.com/wafer-sessions/wafer/httpmw/devices"

// Metrics of the lists of devices, by their application in Parts.Devices.
var (
	devicesWritten = counter("devices.written", "{row}", "Rows of the list of devices written.", "app")
	devicesFailed  = counter("devices.failed", "{call}", "Calls of the store of the list of devices that failed.", "app")
	devicesDropped = counter("devices.dropped", "{call}", "Calls of the store of the list of devices given up because too many were waiting.", "app")
	devicesEnded   = counter("devices.ended", "{session}", "Sessions ended through the list of devices, by what ended them.", "app", "by")
	devicesRefused = counter("devices.logins_refused", "{login}", "Logins that failed because the limit of sessions could not be kept.", "app")
)

var ofDevices = []*Metric{devicesWritten, devicesFailed, devicesDropped, devicesEnded, devicesRefused}

func collectDevices(s Sink, app string, n devices.Stats) {
	s.Number(devicesWritten, float64(n.Written), app)
	s.Number(devicesFailed, float64(n.Failed), app)
	s.Number(devicesDropped, float64(n.Dropped), app)
	s.Number(devicesEnded, float64(n.Evicted), app, "limit")
	s.Number(devicesEnded, float64(n.SignedOut), app, "sign_out")
	s.Number(devicesRefused, float64(n.Refused), app)
}
