package admin

import (
	"bytes"
	"encoding/binary"
)

import (
	"maps"
	"slices"
	"time"
)

// Routes lists "METHOD path" of every route, for the tests that walk them all.
func Routes() []string {
	var list []string
	for _, r := range routes {
		list = append(list, r.method+" "+r.path)
	}
	return list
}

// Probes lists "METHOD path" of every probe, in order.
func Probes() (list []string) {
	for _, path := range slices.Sorted(maps.Keys(probes)) {
		list = append(list, "GET "+path)
	}
	return list
}

// Roles maps the routes to the role that each needs.
func Roles() map[string]Role {
	all := map[string]Role{}
	for _, r := range routes {
		all[r.method+" "+r.path] = r.role
	}
	return all
}

// SetBodyTime sets how long a small body may take to arrive, and returns what it was.
func SetBodyTime(d time.Duration) (was time.Duration) {
	was, bodyTime = bodyTime, d
	return was
}

// SetBulkBodyTime sets how long a body of many revocations may take to arrive, and returns what it was.
func SetBulkBodyTime(d time.Duration) (was time.Duration) {
	was, bulkBodyTime = bulkBodyTime, d
	return was
}

// Parse is the parser of bodies.
var Parse = parse

// Burst is how many refusals are logged at once.
const Burst = burst

// ReadMany reads a body of many revocations.
func ReadMany(body []byte) (scope string, all []string, err error) {
	asked, ids, err := readMany(bytes.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	for rest := ids.ids; len(rest) > 0; {
		n := binary.BigEndian.Uint16(rest)
		all, rest = append(all, string(rest[2:2+n])), rest[2+n:]
	}
	return asked.Scope, all, nil
}
