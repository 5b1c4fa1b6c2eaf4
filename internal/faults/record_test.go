package faults

import (
	"slices"
	"time"
)

// All times of a record count from the beginning of the history, by the clock of the
// process that sends the requests.

// A session is what one session id stands for.
type session struct {
	id, subject string
	groups      []string
	joined      []string // of them, those it was switched into after the login
	by          int      // process that took the login
	sent, born  time.Duration
	parent      string        // the session that it continues, by a switch
	switched    time.Duration // when that request was sent
}

// An ending is a revocation, or a request with the effect of one.
type ending struct {
	scope, id  string // scope is "session", "subject", "group" or "everyone"
	by         int
	sent, recv time.Duration
	acked      bool
	unanswered bool   // nobody knows when it took place, or whether
	successor  string // the session that goes on
}

// A request was decided about one session.
type request struct {
	session    string
	by         int
	sent, recv time.Duration
	status     int
	err        string
	kind       string // path
	into       string // group that the session asked to be switched into
	last       bool   // asked when the fault was over and all was in step again
}

// An outage is a time in which processes did not reach the store, or the store lost data.
type outage struct {
	apps     []int // whom it concerns; nil: all
	from, to time.Duration
	read     bool          // the store is read all the same: it only takes no heartbeats
	lost     bool          // the store lost data at the end, or may have
	since    time.Duration // what was acknowledged from then on may be lost; of lost alone
}

// A split is a time in which two primaries served.
type split struct {
	side     []int // processes on the old primary
	from, to time.Duration
}

// A death is the end of a process that may have been the only one to know.
type death struct {
	app int
	at  time.Duration
}

// A record is all that the judge sees of a history.
type record struct {
	sessions    map[string]*session
	revocations []*ending
	requests    []request
	logins      []login
	outages     []*outage
	splits      []*split
	deaths      []death
	notStarted  []string      // processes that did not start, and why
	recovered   time.Duration // from the end of the fault until all was in step; negative: never
	end         time.Duration // of the fault
	stalled     time.Duration // longest time for which the machine did not run us
}

// A login that was refused.
type login struct {
	subject    string
	groups     []string
	by         int
	sent, recv time.Duration
	status     int
	err        string
}

func (o *outage) concerns(app int) bool { return o.apps == nil || slices.Contains(o.apps, app) }
