package faults

import (
	"testing"
	"time"
)

const s = time.Second

// ada logs in at process 0 between 1.0 s and 1.1 s, in a group.
func ada() *session {
	return &session{id: "ada1", subject: "ada", groups: []string{"g"}, by: 0, sent: s, begun: s + s/10}
}

// gone returns a revocation that process 0 got at the given time and acknowledged 0.1 s later.
func gone(scope, id string, at time.Duration) *ending {
	return &ending{scope: scope, id: id, sent: at, recv: at + s/10, acked: true}
}

// asked returns a request with ada's session at process 1.
func asked(at time.Duration, status int) request {
	return request{session: "ada1", by: 1, kind: "/me", sent: at, recv: at + s/100, status: status}
}

// judgeRows are records with the verdict that the judge must reach.
var judgeRows = []struct {
	name     string
	record   record
	broken   string
	forgiven string
}{
	{name: "accepted within S", record: record{revocations: []*ending{gone("subject", "ada", 5*s)}, requests: []request{asked(7*s, 200)}}},
	{name: "accepted after S, session", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(8*s, 200)}}, broken: late},
	{name: "accepted after S, subject", record: record{revocations: []*ending{gone("subject", "ada", 5*s)}, requests: []request{asked(8*s, 200)}}, broken: late},
	{name: "accepted after S, group", record: record{revocations: []*ending{gone("group", "g", 5*s)}, requests: []request{asked(8*s, 200)}}, broken: late},
	{name: "accepted after S, everyone", record: record{revocations: []*ending{gone("everyone", "", 5*s)}, requests: []request{asked(8*s, 200)}}, broken: late},
	{name: "another subject", record: record{revocations: []*ending{gone("subject", "bob", 5*s)}, requests: []request{asked(8*s, 200)}}},
	{name: "login after the revocation", record: record{revocations: []*ending{gone("subject", "ada", s/2)}, requests: []request{asked(8*s, 200)}}},
	{name: "not acknowledged", record: record{revocations: []*ending{{scope: "subject", id: "ada", sent: 5 * s, recv: 6 * s}}, requests: []request{asked(9*s, 200), asked(10*s, 401)}}},
	{name: "accepted at the end", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{{session: "ada1", sent: 20 * s, status: 200, last: true}}}, broken: lostAck},

	{name: "refused", record: record{requests: []request{asked(8*s, 401)}}, broken: mistaken},
	{name: "refused before the revocation", record: record{revocations: []*ending{gone("subject", "ada", 9*s)}, requests: []request{asked(8*s, 401)}}, broken: mistaken},
	{name: "refused for an older revocation", record: record{revocations: []*ending{gone("subject", "ada", s/2)}, requests: []request{asked(8*s, 401)}}, broken: mistaken},
	{name: "refused for one that took no effect, long before", record: record{revocations: []*ending{{scope: "subject", id: "ada", sent: -9 * s, recv: -8 * s}}, requests: []request{asked(8*s, 401)}}, broken: mistaken},
	{name: "refused with its successor's own logout", record: record{revocations: []*ending{{scope: "subject", id: "ada", sent: s, recv: s + s/10, acked: true, successor: "ada1"}}, requests: []request{asked(8*s, 401)}}, broken: mistaken},
	{name: "refused with its own logout, which the other primary did not see", record: record{revocations: []*ending{{scope: "subject", id: "ada", sent: s, recv: s + s/10, acked: true, successor: "ada1"}}, requests: []request{asked(8*s, 401)},
		splits: []*split{{side: []int{0}, from: s / 2, to: 6 * s}}}, forgiven: twoPrimary},
	{name: "a 500", record: record{requests: []request{asked(8*s, 500)}}, broken: failed},
	{name: "503 in between", record: record{requests: []request{asked(8*s, 503)}}},
	{name: "503 at the end", record: record{requests: []request{{session: "ada1", sent: 20 * s, status: 503, last: true}}}, broken: undecided},
	{name: "503 at the end, for a revoked session", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{{session: "ada1", sent: 20 * s, recv: 20 * s, status: 503, last: true}}}},
	{name: "never in step", record: record{recovered: -1}, broken: never},
	{name: "late in step", record: record{recovered: 11 * s}, broken: never},
	{name: "a process that does not start", record: record{notStarted: []string{"why"}}, broken: noStart},
	{name: "a login refused", record: record{logins: []login{{subject: "ada", sent: 5 * s, recv: 5 * s, status: 401}}}, broken: mistaken},
	{name: "a successor made after the revocation", record: record{sessions: map[string]*session{"ada2": {id: "ada2", parent: "ada1", switched: 6 * s}}, revocations: []*ending{gone("session", "ada1", 5*s)}}, broken: relived},
	{name: "a successor made before the revocation", record: record{sessions: map[string]*session{"ada2": {id: "ada2", parent: "ada1", switched: 4 * s}}, revocations: []*ending{gone("session", "ada1", 5*s)}}},

	{name: "cut off", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(12*s, 200)},
		outages: []*outage{{apps: []int{1}, from: 6 * s, to: 11 * s}}}, forgiven: cutOff},
	{name: "another one cut off", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(12*s, 200)},
		outages: []*outage{{apps: []int{2}, from: 6 * s, to: 11 * s}}}, broken: late},
	{name: "cut off, after it knew", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(12*s, 200)},
		outages: []*outage{{apps: []int{1}, from: 8 * s, to: 11 * s}}}, broken: late},
	{name: "no heartbeats, but an answer", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(12*s, 200)},
		outages: []*outage{{from: 4 * s, to: 11 * s, read: true}}}, broken: late},
	{name: "cut off before", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(8*s, 200)},
		outages: []*outage{{apps: []int{1}, from: 2 * s, to: 4 * s}}}, broken: late},
	{name: "cut off, a route that needs a fresh list", record: record{revocations: []*ending{gone("session", "ada1", 5*s)},
		requests: []request{{session: "ada1", by: 1, kind: "/fresh", sent: 9 * s, status: 200}}, outages: []*outage{{apps: []int{1}, from: 6 * s, to: 11 * s}}}, broken: late},
	{name: "cut off, past G", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(7*s+grace+within, 200)},
		outages: []*outage{{apps: []int{1}, from: 4 * s, to: 60 * s}}}, broken: late},
	{name: "S after the outage", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(14*s, 200)},
		outages: []*outage{{apps: []int{1}, from: 6 * s, to: 11 * s}}}, broken: late},
	{name: "a loss right after", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(8*s, 200)},
		outages: []*outage{{from: 6 * s, to: 7 * s, lost: true}}}, forgiven: behindLoss},
	{name: "S after a loss", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(10*s, 200)},
		outages: []*outage{{from: 6 * s, to: 7 * s, lost: true}}}, broken: late},
	{name: "two primaries", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(9*s, 200)},
		splits: []*split{{side: []int{0}, from: 4 * s, to: 8 * s}}}, forgiven: twoPrimary},
	{name: "two primaries, on the same side", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(9*s, 200)},
		splits: []*split{{side: []int{2}, from: 4 * s, to: 8 * s}}}, broken: late},
	{name: "no process left that knew", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(20*s, 200)},
		outages: []*outage{{from: 6 * s, to: 7 * s, lost: true, since: 5 * s}}, deaths: []death{{0, 6 * s}}}, forgiven: nobodyKnew},
	{name: "another process left that knew", record: record{revocations: []*ending{gone("session", "ada1", 5*s)}, requests: []request{asked(20*s, 200)},
		outages: []*outage{{from: 6 * s, to: 7 * s, lost: true, since: 5 * s}}, deaths: []death{{2, 6 * s}}}, broken: late},

	{name: "list lost", record: record{requests: []request{{session: "ada1", sent: 80 * s, recv: 80 * s, status: 401, err: "the list lost its memory of that time"}},
		outages: []*outage{{from: 6 * s, to: 7 * s, lost: true}}}, forgiven: listLost},
	{name: "settled hit", record: record{requests: []request{{session: "ada1", sent: 8 * s, recv: 8 * s, status: 401, err: "the list lost its memory of that time"}},
		outages: []*outage{{from: 6 * s, to: 7 * s, lost: true}}}, forgiven: settledHit},
	{name: "list lost, but the store lost nothing", record: record{requests: []request{{session: "ada1", sent: 8 * s, recv: 8 * s, status: 401, err: "the list lost its memory of that time"}}}, broken: mistaken},
	{name: "503 for a minute after a loss", record: record{requests: []request{{session: "ada1", sent: 20 * s, status: 503, last: true}},
		outages: []*outage{{from: 6 * s, to: 7 * s, lost: true}}}, forgiven: aMinute},
	{name: "login without the store", record: record{revocations: []*ending{gone("subject", "ada", s/2)}, requests: []request{asked(8*s, 401)},
		outages: []*outage{{apps: []int{0}, from: s, to: 7 * s}}}, forgiven: darkLogin},
	{name: "login without the store, another process", record: record{revocations: []*ending{gone("subject", "ada", s/2)}, requests: []request{asked(8*s, 401)},
		outages: []*outage{{apps: []int{2}, from: s, to: 7 * s}}}, broken: mistaken},
	{name: "login after a lost revocation", record: record{revocations: []*ending{gone("subject", "ada", s/2)}, requests: []request{asked(8*s, 401)},
		outages: []*outage{{from: s - s/10, to: s, lost: true}}}, forgiven: lostWater},
	{name: "switch into a group revoked before the login", record: record{revocations: []*ending{gone("group", "h", s/2)},
		requests: []request{{session: "ada1", into: "h", sent: 8 * s, recv: 8 * s, status: 401}}}, forgiven: lateSwitch},
	{name: "switch into a group revoked long before the login", record: record{revocations: []*ending{gone("group", "h", -5*s)},
		requests: []request{{session: "ada1", into: "h", sent: 8 * s, recv: 8 * s, status: 401}}}, broken: mistaken},
	{name: "a login in an outage", record: record{revocations: []*ending{gone("subject", "ada", 4*s)}, logins: []login{{subject: "ada", sent: 9 * s, recv: 9 * s, status: 401}},
		outages: []*outage{{from: 5 * s, to: 10 * s}}}, forgiven: darkLogin},
	{name: "a login in an outage, refused for a much older revocation", record: record{revocations: []*ending{gone("subject", "ada", s)}, logins: []login{{subject: "ada", sent: 9 * s, recv: 9 * s, status: 401}},
		outages: []*outage{{from: 5 * s, to: 10 * s}}}, broken: mistaken},
	{name: "a login just after the revocation", record: record{revocations: []*ending{gone("subject", "ada", 4*s)}, logins: []login{{subject: "ada", sent: 5 * s, recv: 5 * s, status: 401}}}, broken: mistaken},
}

// The judge notices each way to break a promise, and forgives no more than it should.
func TestJudge(t *testing.T) {
	for _, tt := range judgeRows {
		t.Run(tt.name, func(t *testing.T) {
			if tt.record.sessions == nil {
				tt.record.sessions = map[string]*session{}
			}
			tt.record.sessions["ada1"] = ada()
			v := judged(&tt.record)
			if got := only(v.broken); got != tt.broken {
				t.Errorf("broken: %q, want %q: %v", got, tt.broken, v.details)
			}
			if got := only(v.forgiven); got != tt.forgiven {
				t.Errorf("forgiven: %q, want %q", got, tt.forgiven)
			}
		})
	}
}

// only returns the single name in counts.
func only(counts map[string]int) string {
	for name := range counts {
		if len(counts) == 1 {
			return name
		}
	}
	return named(counts)
}
