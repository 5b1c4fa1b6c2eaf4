package faults

import (
	"slices"
	"time"
)

// All times of a record count from the start of the history, by the clock of the process that sends
// the requests.

// A session holds what is known about one session id. Its login was sent at sent and answered at
// begun.
type session struct {
	id, subject string
	groups      []string
	joined      []string // those of groups that it joined after the login, by a switch
	by          int      // process that answered the login
	sent, begun time.Duration
	parent      string        // the session that it continues, by a switch
	switched    time.Duration // when that request was sent
}

// An ending is a revocation, or a request with the effect of one.
type ending struct {
	scope, id  string // scope is "session", "subject", "group" or "everyone"
	by         int
	sent, recv time.Duration
	acked      bool
	unanswered bool   // it is unknown when it took effect, and whether it did
	successor  string // the session that continues
}

// A request is one request with a session, and its answer.
type request struct {
	session    string
	by         int
	sent, recv time.Duration
	status     int
	err        string
	kind       string // path
	into       string // group that the session asked to be switched into
	last       bool   // sent after the fault, when all processes were in step again
}

// An outage is a time in which processes did not reach the store, or the store lost data.
type outage struct {
	apps     []int // the processes; nil: all
	from, to time.Duration
	read     bool          // the store can be read, but takes no heartbeats
	lost     bool          // the store lost data at the end, or may have
	since    time.Duration // with lost: revocations acknowledged from then on may be lost
}

// A split is a time in which two primaries served requests.
type split struct {
	side     []int // processes on the old primary
	from, to time.Duration
}

// A death is the end of a process that may have been the only one that knew a revocation.
type death struct {
	app int
	at  time.Duration
}

// A record is everything that the judge sees of a history.
type record struct {
	sessions    map[string]*session
	revocations []*ending
	requests    []request
	logins      []login
	outages     []*outage
	splits      []*split
	deaths      []death
	notStarted  []string      // processes that did not start, and why
	recovered   time.Duration // from the end of the fault until all processes were in step; negative: never
	end         time.Duration // of the fault
	stalled     time.Duration // longest time for which the machine did not run this process
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
