package admin

import (
	"maps"
	"slices"
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

// Parse is the parser of bodies.
var Parse = parse

// Burst is how many refusals are logged at once.
const Burst = burst
