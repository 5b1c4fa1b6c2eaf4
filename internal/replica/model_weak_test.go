package replica_test

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A weakness switches one rule off, to show that the model notices. What the store or
// the way to it does otherwise is a function here; what an application does, see where
// the model asks for the name of the rule.
type weakness struct {
	rule, what string
	says       string // what the model is to say of it; "": that a session is accepted
	asks       bool   // it takes histories that ask something of sessions
	from       uint64 // where to begin looking: some are found once in thousands

	headStays bool // what empties the store leaves its head
	anyList   bool // a store with another list answers as if it had the one that is asked for
	noBreak   bool // a log that does not go on where it was left seems to

	head    func(*revlog.Head)                           // what replicas see of a head
	page    func(*link, revlog.Cursor, *revlog.Page)     // what they see of the log
	answer  func(*link, revlog.Question, *revlog.Answer) // what they are answered
	write   func(*server, *batch) (ignored bool)         // what they write
	written func(*server, *batch)                        // what becomes of it
}

func (w *weakness) on() bool { return w.rule != "" }

var weaknesses = []weakness{
	{rule: "R1", what: "a store that was emptied goes on as if it had the list", headStays: true},
	{rule: "R2", what: "a list that was lost claims to be complete", write: claimsAll, head: func(h *revlog.Head) { h.Born = 1 }},
	{rule: "R3", what: "a watermark is log time itself, and shares its ms", write: sharesTheMS},
	{rule: "R3 closed", what: "a login begins in a ms in which more may be revoked", answer: opensAgain},
	{rule: "R4", what: "a revocation is kept from its watermark on, and not quite for the retention", written: forgetsFromW},
	{rule: "R5", what: "a later watermark is in force although it is lower", from: 5000, written: lowers},
	{rule: "R9", what: "a primary that nobody can write to seems to have a heartbeat",
		page:   func(_ *link, _ revlog.Cursor, p *revlog.Page) { p.Heartbeat = 0 },
		answer: func(_ *link, _ revlog.Question, a *revlog.Answer) { a.Heartbeat = 0 }},
	{rule: "R10", what: "a reader does not see that it follows another log", noBreak: true},
	{rule: "R26", what: "what a replica knows is not written back", write: keepsWhatItHas},
	{rule: "R11", what: "a reader takes another list for the one it knew", noBreak: true, anyList: true},
	{rule: "R12", what: "what a newer release wrote is skipped", page: passesOver},
	{rule: "R12 found", what: "what a newer release wrote is nothing to be found", answer: saysNothing},
	{rule: "R15", what: "a replica that boots takes the newest entry for the whole window", page: onlyTheNewest},
	{rule: "R16", what: "where two primaries were, what was checked under one counts under the other", from: 2300,
		head: func(h *revlog.Head) { h.Terms = []revlog.Term{{ID: 1}} }},
	{rule: "R17", what: "a store that lost its data answers \"not revoked\"", head: func(h *revlog.Head) { h.Born = 0 }},
	{rule: "R18", what: "an answer is used again after something was revoked", answer: again},
	{rule: "R19", what: "a session is renewed up to the newest position itself"},
	{rule: "R20", what: "a replica does not remember what it was asked to revoke"},
	{rule: "R21", what: "a login begins a little later than log time"},
	{rule: "R22", what: "a successor is made without asking", from: 1300, write: asksNothing},
	{rule: "R23", what: "nothing is decided again when the response leaves", from: 500},
	{rule: "R24", what: "a replica that is out of step renews", from: 300},
	{rule: "R25", what: "the revocation of a key is forgotten like any other", write: forgetsKeys},
	{rule: "R27", what: "a store forgets an hour too early, and so more by a jump of its clock than it may", from: 850, written: forgetsEarly},
	{rule: "R30", what: "a login takes its moment from a clock that runs ahead"},
	{rule: "R36", asks: true, what: "a session is renewed past what is asked of it"},
	{rule: "R36 loaded", asks: true, what: "data counts as loaded when it is there"},
	{rule: "R37", asks: true, from: 9200, what: "sessions that end one after another end later because of a second such entry", write: slowsDown},
	{rule: "R32", what: "what the store says is believed without a proof", says: "refuses"},
	{rule: "R32 limit", what: "a watermark is believed beyond its limit", says: "refuses"},
	{rule: "R32 late", what: "a \"now\" that comes too late reaches as far as its limit", from: 800, write: reachesItsLimit},
}

// invisible are the rules that no history can show, with the reason.
var invisible = map[string]string{
	"R6":  "without it the log grows, and nothing is decided differently",
	"R7":  "a server here has no copies that could acknowledge",
	"R8":  "it is about the settings of a server",
	"R29": "here no client sends a write again by itself",
	"R13": "it is about two goroutines, and here one runs at a time",
	"R14": "it is about the size of filters",
	"R28": "without it the store is asked: that costs questions, and breaks no promise",
	"R31": "it is about the key ring beside the list",
	"R33": "it measures, and decides nothing; the replicas here do write canaries, which no rule may mind",
	"R35": "no session here brings a receipt; what it leads to is a decision by a later view, or none",
	"R34": "the registry is beside the log, and no decision uses it",
}

func claimsAll(_ *server, b *batch) bool {
	b.Known, b.KnownTerm, b.Born = 0, 0, 0
	return false
}

func sharesTheMS(n *server, b *batch) bool {
	for i := range b.Assertions {
		if a := &b.Assertions[i]; a.When == revlog.AtNow {
			a.When, a.W = revlog.AsGiven, max(n.time(), n.head().MS, b.Floor)
		}
	}
	return false
}

// reachesItsLimit takes the limit of a "now" for its watermark, where that is lower.
func reachesItsLimit(n *server, b *batch) bool {
	for i := range b.Assertions {
		a := &b.Assertions[i]
		if a.When == revlog.AtNow && max(n.time(), n.head().MS, b.Floor)+b.skew.Milliseconds() >= a.Limit {
			a.When, a.W = revlog.AsGiven, a.Limit
		}
	}
	return false
}

// opensAgain takes log time back to where it was when the answer was given.
func opensAgain(l *link, _ revlog.Question, a *revlog.Answer) {
	l.to.edit(func(st *revlog.State) { st.Head.MS = a.Head.MS })
}

// slowsDown makes room for an entry that ends sessions slowly.
func slowsDown(n *server, b *batch) bool {
	for _, a := range b.Assertions {
		if k := a.Entry().Key(); k.Effect == revlog.EndSlowly {
			n.edit(func(st *revlog.State) {
				st.Exact = slices.DeleteFunc(st.Exact, func(e revlog.Entry) bool { return e.Key() == k && e.MAC != a.MAC })
			})
		}
	}
	return false
}

// each calls f for what n holds of what b revoked.
func each(n *server, b *batch, f func(a revlog.Assertion, e *revlog.Entry)) {
	n.edit(func(st *revlog.State) {
		for _, a := range b.Assertions {
			for i := range st.Exact {
				if e := &st.Exact[i]; e.Key() == a.Entry().Key() {
					f(a, e)
				}
			}
		}
	})
}

func forgetsFromW(n *server, b *batch) {
	until := map[revlog.Key]int64{}
	each(n, b, func(a revlog.Assertion, e *revlog.Entry) {
		if e.W != revlog.Forever {
			until[e.Key()] = e.W + (n.head().Retain() - time.Hour).Milliseconds()
		}
	})
	now := n.head().MS
	n.edit(func(st *revlog.State) {
		gone := func(e revlog.Entry) bool {
			u, ok := until[e.Key()]
			return ok && u < now
		}
		st.Exact = slices.DeleteFunc(st.Exact, gone)
		for i := range st.Entries {
			if gone(st.Entries[i]) {
				st.Entries[i].W = 0
			}
		}
	})
}

func forgetsEarly(n *server, _ *batch) {
	now := n.head().MS
	n.edit(func(st *revlog.State) {
		st.Exact = slices.DeleteFunc(st.Exact, func(e revlog.Entry) bool { return e.Until < now })
	})
}

func lowers(n *server, b *batch) {
	each(n, b, func(a revlog.Assertion, e *revlog.Entry) {
		if a.When == revlog.Before && a.W < e.W {
			e.W = a.W
		}
	})
}

func keepsWhatItHas(_ *server, b *batch) bool {
	return b.Unless == nil && len(b.Assertions) > 0 && !slices.ContainsFunc(b.Assertions, func(a revlog.Assertion) bool {
		return a.Until == 0 || a.When != revlog.AsGiven
	})
}

func asksNothing(n *server, b *batch) bool {
	if b.Unless != nil { // about a session that begins now
		now := n.head().MS
		b.Unless = &revlog.Question{List: b.List, Epoch: now + b.skew.Milliseconds() + 1, Checked: now, Skew: b.skew}
	}
	return false
}

func forgetsKeys(_ *server, b *batch) bool {
	for i := range b.Assertions {
		b.Assertions[i].Until = 0
	}
	return false
}

func onlyTheNewest(l *link, c revlog.Cursor, p *revlog.Page) {
	if c.Globals && len(p.Entries) > 1 {
		p.Entries = p.Entries[len(p.Entries)-1:]
		p.Oldest.N = 1
	}
}

// passesOver makes of entries that are not understood some that mean nothing to anybody.
func passesOver(_ *link, _ revlog.Cursor, p *revlog.Page) {
	for i, e := range p.Entries {
		if !e.Understood() {
			n := revlog.Assertion{Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: revlog.ScopeSession, Tag: revlog.Tag{0xff}}.Entry()
			n.MAC = modelMAC(n)
			n.Position, n.Chain, n.Until = e.Position, e.Chain, e.Until
			p.Entries[i] = n
		}
	}
}

// saysNothing leaves out what is not understood.
func saysNothing(_ *link, _ revlog.Question, a *revlog.Answer) {
	a.Found = slices.DeleteFunc(slices.Clone(a.Found), func(e revlog.Entry) bool { return !e.Understood() })
}

// goesOn makes p look as if it went on where the replica left off.
func (l *link) goesOn(c revlog.Cursor, p *revlog.Page) {
	f := &l.follows
	if c.From.N == 0 || f.ID == (revlog.ListID{}) { // it begins to read
		*f = p.Head
		for i := range p.Entries {
			p.Entries[i].Position.N = p.Head.N - int64(len(p.Entries)-1-i)
		}
		return
	}
	last := c.From.MS
	p.Entries = slices.DeleteFunc(p.Entries, func(e revlog.Entry) bool { return e.Position.MS <= last })
	for i := range p.Entries {
		f.N++
		p.Entries[i].Position.N = f.N
		f.Chain = p.Entries[i].Chain
	}
	p.Oldest = revlog.Position{}
}

func again(l *link, q revlog.Question, a *revlog.Answer) {
	if l.said == revlog.FoundNothing && q.Session != (revlog.Tag{}) {
		old, ok := l.old[q.Session]
		if ok {
			h := a.Head
			*a = old
			a.Head = h
		} else {
			l.old[q.Session] = *a
		}
	}
}

// A model that cannot fail proves nothing. With one rule off at a time it has to find
// the session that comes back to life.
func TestModelNoticesEveryRule(t *testing.T) {
	if *modelHistories < 10_000 {
		t.Skip("thousands of histories: make test runs them, with -model.histories=10000")
	}
	for _, w := range weaknesses {
		t.Run(w.rule, func(t *testing.T) {
			t.Parallel()
			for seed := w.from + 1; seed < w.from+searched; seed++ {
				h := playModel(t, seed, &w, "")
				if strings.Contains(h.failed, cmp.Or(w.says, "accepts")) {
					t.Logf("%s: found by history %d: %s", w.what, seed, h.failed)
					return
				}
			}
			t.Errorf("%s: and %d histories went by without a word", w.what, searched)
		})
	}
}

// Every rule of the protocol is one that the model notices, or one of which it is said
// why it cannot.
func TestModelKnowsEveryRule(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, w := range weaknesses {
		rule, _, _ := strings.Cut(w.rule, " ")
		known[rule] = true
	}
	for rule, why := range invisible {
		if known[rule] {
			t.Errorf("%s is said to be invisible (%s), and is not", rule, why)
		}
		known[rule] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^### (R[0-9]+): `).FindAllStringSubmatch(string(page), -1) {
		if !known[m[1]] {
			t.Errorf("%s has no weakness, and no reason why it cannot have one", m[1])
		}
		delete(known, m[1])
	}
	for rule := range known {
		t.Errorf("docs/protocol.md has no rule %s", rule)
	}
}
