package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// tolerance is how much later than promised something may happen. It allows for timers, and for the
// difference between the clock of a server and the clock of this process.
const tolerance = 100 * time.Millisecond

// lag is the greatest age of the log time with which a login begins: a heartbeat and a read.
const lag = 700 * time.Millisecond

// inStep is how long after the end of a fault every process may take to let users in, to accept
// them on routes that need a fresh list, and to get a revocation acknowledged.
const inStep = 10 * time.Second

// The ways to break a promise. docs/faults.md explains the names.
const (
	late      = "accepted late"   // a revoked session was accepted
	lostAck   = "revocation lost" // a revoked session was accepted long after the fault
	relived   = "successor of the revoked"
	mistaken  = "refused by mistake"
	failed    = "answered 500"
	undecided = "undecided afterwards" // 503 for a living session after the fault
	never     = "not in step"
	noStart   = "did not start" // a process of the application
)

// The exceptions that docs/protocol.md allows. docs/faults.md explains the names.
const (
	cutOff     = "cut off"
	behindLoss = "behind a loss"
	twoPrimary = "two primaries"
	nobodyKnew = "nobody left who knew"
	listLost   = "list lost"
	aMinute    = "undecided for a minute"
	settledHit = "settled hit"
	darkLogin  = "login without the store"
	lostWater  = "login after a lost revocation"
	lateSwitch = "switch into a group just revoked"
)

// A verdict is the result of one history.
type verdict struct {
	requests, accepted, acked int
	broken, forgiven          map[string]int
	details                   []string // of the broken promises
}

// A judge compares the answers of a history with the promises.
type judge struct {
	*record
	by  map[string][]*ending // by scope and id
	out verdict
}

func judged(r *record) verdict {
	j := &judge{record: r, by: map[string][]*ending{}, out: verdict{broken: map[string]int{}, forgiven: map[string]int{}}}
	slices.SortFunc(r.outages, func(a, b *outage) int { return int(a.from - b.from) })
	for _, e := range r.revocations {
		j.by[e.scope+" "+e.id] = append(j.by[e.scope+" "+e.id], e)
		if e.acked {
			j.out.acked++
		}
	}
	for _, q := range r.requests {
		j.request(q)
	}
	for _, l := range r.logins {
		j.login(l)
	}
	for _, s := range r.sessions {
		j.successor(s)
	}
	for _, why := range r.notStarted {
		j.breaks(noStart, "%s", why)
	}
	if r.recovered < 0 || r.recovered > inStep {
		j.breaks(never, "%v after the end of the fault at %v", r.recovered, r.end)
	}
	return j.out
}

func (j *judge) breaks(what, format string, args ...any) {
	j.out.broken[what]++
	if len(j.out.details) < 8 {
		j.out.details = append(j.out.details, what+": "+fmt.Sprintf(format, args...))
	}
}

// concerning returns the revocations that may have ended s.
func (j *judge) concerning(s *session) []*ending {
	all := slices.Concat(j.by["session "+s.id], j.by["subject "+s.subject], j.by["everyone "])
	for _, g := range s.groups {
		all = append(all, j.by["group "+g]...)
	}
	return all
}

func (j *judge) request(q request) {
	if q.status == notSent {
		return
	}
	j.out.requests++
	s := j.sessions[q.session]
	if q.into != "" && !slices.Contains(s.groups, q.into) && q.status != http.StatusOK { // perhaps refused because of that group
		with := *s
		with.groups, with.joined = append(slices.Clone(s.groups), q.into), append(slices.Clone(s.joined), q.into)
		s = &with
	}
	switch q.status {
	case http.StatusOK:
		j.out.accepted++
		j.accepted(q, s)
	case http.StatusUnauthorized:
		j.refused(q, s)
	case http.StatusServiceUnavailable:
		if q.last && !j.mayEnd(q, s) {
			j.undecided(q)
		}
	case noAnswer:
	default:
		j.breaks(failed, "%d %s for %s at process %d, %v: %s", q.status, q.kind, q.session, q.by, q.sent, q.err)
	}
}

// accepted looks for an ending after which q should have been refused.
func (j *judge) accepted(q request, s *session) {
	for _, e := range j.concerning(s) {
		if !e.acked || e.scope != "session" && s.begun >= e.sent || q.sent <= e.recv+within+tolerance {
			continue
		}
		if name := j.excuse(q, s, e); name != "" {
			j.out.forgiven[name]++
			return
		}
		what := late
		if q.last {
			what = lostAck
		}
		j.breaks(what, "%s for %s at process %d, %v, login %v..%v at %d; %s acknowledged by process %d at %v", q.kind, s.id, q.by, q.sent, s.sent, s.begun, s.by, e.scope, e.by, e.recv)
		return
	}
}

// excuse names the reason why a replica could not know e yet, or returns "" if it should have
// known.
func (j *judge) excuse(q request, s *session, e *ending) string {
	for _, sp := range j.splits {
		sides := func(a, b int) bool { return slices.Contains(sp.side, a) != slices.Contains(sp.side, b) }
		if e.recv < sp.from-within || e.recv > sp.to {
			continue
		}
		if sides(q.by, e.by) && q.sent <= sp.to+within+tolerance {
			return twoPrimary
		}
		if e.scope != "session" && sides(s.by, e.by) && s.begun >= sp.from-2*within && s.begun >= e.sent-2*within {
			return twoPrimary
		}
	}
	for _, d := range j.deaths {
		if d.app == e.by && e.recv <= d.at && j.lostSince(e.recv) {
			return nobodyKnew
		}
	}
	limit, name := e.recv+within, ""
	for _, o := range j.outages {
		if !o.concerns(q.by) || o.read || o.from > limit || o.to+within < limit {
			continue
		}
		if o.lost {
			name = behindLoss
		} else if q.kind == "/fresh" {
			continue // an answer on this route says that the list is at most S old
		} else {
			name = cutOff
		}
		if q.sent < o.to && q.sent > o.from+grace+within {
			return "" // longer than Grace
		}
		limit = o.to + within
	}
	if q.sent > limit+tolerance {
		return ""
	}
	return name
}

// lostSince reports whether a revocation acknowledged at the given time may have been lost.
func (j *judge) lostSince(at time.Duration) bool {
	return slices.ContainsFunc(j.outages, func(o *outage) bool { return o.lost && at >= o.since && at <= o.to })
}

// lossBefore reports whether the store had lost data by then.
func (j *judge) lossBefore(at time.Duration) bool {
	return slices.ContainsFunc(j.outages, func(o *outage) bool { return o.lost && o.from <= at })
}

// until returns the time after which e certainly does not apply to a login.
func (e *ending) until() time.Duration {
	if e.unanswered {
		return 1 << 62
	}
	if !e.acked {
		return e.recv + within + lag + tolerance
	}
	return e.recv
}

// mayEnd reports whether something may have ended s by the end of q.
func (j *judge) mayEnd(q request, s *session) bool {
	return slices.ContainsFunc(j.concerning(s), func(e *ending) bool {
		return e.sent <= q.recv && (s.id == "" || e.successor != s.id) && (e.scope == "session" || s.sent <= e.until())
	})
}

func (j *judge) refused(q request, s *session) {
	if j.mayEnd(q, s) {
		return
	}
	if name := j.mercy(q, s); name != "" {
		j.out.forgiven[name]++
		return
	}
	j.breaks(mistaken, "%s for %s at process %d, %v, login %v..%v at %d: %s; %s", q.kind, s.id, q.by, q.sent, s.sent, s.begun, s.by, q.err, j.story(s))
}

// mercy names the reason why a session that was not revoked may be refused, or returns "" if there
// is none.
func (j *judge) mercy(q request, s *session) string {
	if strings.Contains(q.err, "lost its memory") && j.lossBefore(q.recv) {
		if j.lossBefore(q.recv - time.Minute) {
			return listLost
		}
		return settledHit // sessions that cannot be decided get 503 for the first minute
	}
	for _, e := range j.concerning(s) {
		if e.scope == "session" || e.sent > q.recv {
			continue
		}
		if slices.Contains(s.joined, e.id) && s.sent <= e.until()+within+lag+tolerance {
			return lateSwitch
		}
		if e.acked && s.sent <= e.recv+3*within && j.lostSince(e.recv) {
			return lostWater
		}
		if j.dark(s.by, s.sent, s.begun, e) {
			return darkLogin
		}
		for _, sp := range j.splits {
			if s.begun >= sp.from && s.sent <= sp.to && e.recv >= sp.from-2*within {
				return twoPrimary
			}
		}
	}
	return ""
}

// dark reports whether a login began while its process did not reach the store. The session then
// begins at the last log time that the process knew, and the watermark of e may reach that.
func (j *judge) dark(by int, sent, recv time.Duration, e *ending) bool {
	return slices.ContainsFunc(j.outages, func(o *outage) bool {
		return o.concerns(by) && recv >= o.from && sent <= o.to+within && e.recv >= o.from-within-lag
	})
}

// undecided judges a 503 for a living session after the fault.
func (j *judge) undecided(q request) {
	if j.lossBefore(q.sent) {
		j.out.forgiven[aMinute]++
		return
	}
	j.breaks(undecided, "%s for %s at process %d, %v: %s", q.kind, q.session, q.by, q.sent, q.err)
}

// login judges a login that was refused as revoked.
func (j *judge) login(l login) {
	if l.status != http.StatusUnauthorized {
		if l.status != noAnswer && l.status != notSent && l.status != http.StatusServiceUnavailable {
			j.breaks(failed, "%d for a login at process %d, %v: %s", l.status, l.by, l.sent, l.err)
		}
		return
	}
	name := ""
	for _, e := range j.concerning(&session{subject: l.subject, groups: l.groups}) {
		if e.sent <= l.recv && (e.unanswered || e.until() >= l.sent) {
			return
		}
		if e.sent <= l.recv && j.dark(l.by, l.sent, l.recv, e) {
			name = darkLogin
		}
	}
	if name == "" {
		j.breaks(mistaken, "login at process %d, %v..%v: %s; %s", l.by, l.sent, l.recv, l.err, j.story(&session{subject: l.subject, groups: l.groups}))
		return
	}
	j.out.forgiven[name]++
}

// successor checks that s was not made from a session that was already revoked.
func (j *judge) successor(s *session) {
	for _, e := range j.by["session "+s.parent] {
		if s.parent == "" || !e.acked || e.successor == s.id || e.recv >= s.switched {
			continue
		}
		q := request{by: s.by, sent: s.switched, recv: s.switched, kind: "/switch"}
		if j.lostSince(e.recv) || len(j.splits) > 0 && j.excuse(q, s, e) != "" {
			continue
		}
		j.breaks(relived, "%s was made at %v from %s, which was revoked at %v", s.id, s.switched, s.parent, e.recv)
	}
}

// story lists the revocations that may have ended s.
func (j *judge) story(s *session) string {
	var parts []string
	for _, e := range j.concerning(s) {
		parts = append(parts, fmt.Sprintf("%s at process %d %v..%v acknowledged %t", e.scope, e.by, e.sent, e.recv, e.acked))
	}
	return strings.Join(parts, ", ")
}
