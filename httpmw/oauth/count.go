package oauth

import (
	"net/http"
	"slices"
	"sync/atomic"
)

// What a request came to, if it was not refused. A refused one is counted by the error in its answer.
const (
	active   = "active"
	inactive = "inactive"
	ended    = "ended"
	ignored  = "ignored"
)

// refusals are the errors of both endpoints.
var refusals = []string{"invalid_request", "invalid_client", "temporarily_unavailable"}

// A counter counts the requests of an endpoint by result. Its map does not change.
type counter map[string]*atomic.Uint64

func newCounter(results ...string) counter {
	c := counter{}
	for _, result := range slices.Concat(refusals, results) {
		c[result] = new(atomic.Uint64)
	}
	return c
}

func (c counter) add(result string) { c[result].Add(1) }

// refuse counts and answers a request that f refuses.
func (c counter) refuse(w http.ResponseWriter, f *failure) {
	c.add(f.Code)
	f.write(w)
}

// Counts returns how many requests came since New, by endpoint ("introspect", "revoke") and by result,
// for packages prom and otel. A result is
//
//	active, inactive   of introspection: what was answered
//	ended              of revocation: the store has it
//	ignored            of revocation: this application accepts no such token
//
// or the error in the answer: "invalid_request", "invalid_client", "temporarily_unavailable", and, of
// revocation, "unsupported_token_type". Each result is there from the start.
func (e *Endpoints) Counts() map[string]map[string]uint64 {
	return map[string]map[string]uint64{"introspect": e.introspected.counts(), "revoke": e.revoked.counts()}
}

func (c counter) counts() map[string]uint64 {
	n := make(map[string]uint64, len(c))
	for result, times := range c {
		n[result] = times.Load()
	}
	return n
}
