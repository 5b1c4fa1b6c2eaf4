// Package metrics declares every metric of Wafer once, and reads their values from the parts of an
// application. Packages prom and otel send them, each under the names that are usual there, so the
// two cannot differ.
//
// To add a metric, declare it beside the others of its part, name it in the part's slice, send it
// where the part is collected, and describe it in docs/metrics.md. No label may hold a user, a
// session or an address, nor anything of which there may be many.
package metrics

import "strings"

// A Kind says how the values of a metric relate to each other.
type Kind uint8

const (
	Gauge     Kind = iota // goes up and down
	Counter               // only goes up, until the process ends
	Histogram             // counts values by size
)

// String returns "gauge", "counter" or "histogram".
func (k Kind) String() string { return [...]string{"gauge", "counter", "histogram"}[k] }

// Units, as OpenTelemetry names them (UCUM). A unit in braces says what is counted, and is no part
// of a name.
const (
	seconds = "s"
	bytes   = "By"
	ratio   = "1"
)

// A Metric is one name, with all that is said about it.
type Metric struct {
	Name   string // as OpenTelemetry has it
	Kind   Kind
	Unit   string // UCUM
	Help   string // one sentence
	Labels []string
	// Classic are the ends of a histogram's classic buckets, as exponents of two, ascending.
	Classic []int
}

// Prometheus returns the name as Prometheus has it: with underscores and the unit, and with _total
// at the end of a counter's. It is the name that OpenTelemetry's own exporters make of Name.
func (m *Metric) Prometheus() string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	switch {
	case m.Unit == seconds:
		name += "_seconds"
	case m.Unit == bytes:
		name += "_bytes"
	case m.Unit == ratio:
		name += "_ratio"
	}
	if m.Kind == Counter {
		name += "_total"
	}
	return name
}

func counter(name, unit, help string, labels ...string) *Metric {
	return &Metric{Name: "wafer." + name, Kind: Counter, Unit: unit, Help: help, Labels: labels}
}

func gauge(name, unit, help string, labels ...string) *Metric {
	return &Metric{Name: "wafer." + name, Kind: Gauge, Unit: unit, Help: help, Labels: labels}
}

// histogramOf declares a histogram with classic buckets that end at 2^low, 2^(low+step) and so on, up
// to 2^high.
func histogramOf(name, unit, help string, low, high, step int, labels ...string) *Metric {
	m := &Metric{Name: "wafer." + name, Kind: Histogram, Unit: unit, Help: help, Labels: labels}
	for e := low; e <= high; e += step {
		m.Classic = append(m.Classic, e)
	}
	return m
}
