package replica

import (
	"log/slog"
	"testing"
	"time"
	"unsafe"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// holding returns a list that holds v and never reads.
func holding(t testing.TB, c Config, v *view) *Replica {
	t.Helper()
	c.Logger = slog.New(slog.DiscardHandler)
	l, err := newList(revlog.NewMemory(), revlogtest.Secrets(0), c)
	if err != nil {
		t.Fatal(err)
	}
	if v != nil {
		l.view.Store(v)
	}
	return l
}

const (
	testTerm  = 7
	testM     = int64(1_800_000_000_000)
	hourMS    = int64(time.Hour / time.Millisecond)
	minuteMS  = int64(time.Minute / time.Millisecond)
	testEpoch = testM - hourMS
)

// viewAt returns a view of a list that began ten hours before testM, with a
// window of two hours that holds entries.
func viewAt(entries ...revlog.Entry) *view {
	retain := Config{}.retain()
	head := revlog.Head{
		Layout: revlog.Layout, ID: revlog.ListID{15: 1}, Born: testM - 10*hourMS, MS: testM, N: int64(len(entries)),
		Terms:      []revlog.Term{{ID: testTerm, Start: testM - 10*hourMS}},
		Retentions: []revlog.Retention{{Retain: retain}},
	}
	w := &window{watermarks: newWatermarks(watermarkLimit), from: testM - 2*hourMS, to: testM - 2*hourMS, recentFrom: testM - 2*hourMS}
	for i := range entries {
		entries[i].Position.N = int64(i + 1)
	}
	now := time.Now()
	return &view{
		head: head, m: head.Position(), last: revlog.Position{N: head.N}, sent: now, got: now,
		now: w.add(entries, testM, retain), globals: globalEntries(nil).with(entries, testM),
	}
}

func entryAt(ms int64, s revlog.Scope, tag revlog.Tag, w int64) revlog.Entry {
	return revlog.Entry{Position: revlog.Position{MS: ms}, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: s, Tag: tag, W: w, Limit: max(w, 0), Until: testM + 24*hourMS}
}

// someQuery returns the query of a session that began an hour before testM and was
// checked a minute before it.
func someQuery() Query {
	return Query{
		Session: [16]byte{1}, Subject: revlog.Tag{2}, GroupTags: [8]revlog.Tag{{3}, {4}}, Groups: 2, Keys: [2]string{"one", "two"},
		Epoch: testEpoch, Checked: testM - minuteMS, Term: testTerm,
	}
}

func TestR16Decide(t *testing.T) {
	const ago = hourMS // beyond the recent entries, inside the window
	tags, err := newTagger(revlogtest.Secrets(0))
	if err != nil {
		t.Fatal(err)
	}
	own := tags.session([16]byte{1})
	skew := Config{}.within().Milliseconds()
	everyone := func(w int64) revlog.Entry { return entryAt(testM-5*minuteMS, revlog.ScopeEveryone, revlog.Tag{}, w) }
	key := func(kid string) revlog.Entry {
		return entryAt(testM-5*minuteMS, revlog.ScopeKey, tags.of(revlog.ScopeKey, kid), revlog.Forever)
	}
	anonymous := func(q *Query) { q.Subject, q.Groups = revlog.Tag{}, 0 }
	old := func(q *Query) { q.Checked = testM - ago - minuteMS }

	for _, tt := range []struct {
		name    string
		entries []revlog.Entry
		view    func(*view)
		query   func(*Query)
		want    Outcome
		reason  Reason
	}{
		{name: "nothing newer than chk", want: Accept},
		{name: "missing ep, chk and ln count as 0", query: func(q *Query) { q.Epoch, q.Checked, q.Term = 0, 0, 0 }, want: Refuse, reason: Stale},
		{name: "groups without a subject are on the list", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeGroup, revlog.Tag{3}, testEpoch)},
			query: func(q *Query) { q.Subject = revlog.Tag{} }, want: Refuse, reason: RevokedGroup},

		// Global entries.
		{name: "everyone at ep", entries: []revlog.Entry{everyone(testEpoch)}, want: Refuse, reason: RevokedEveryone},
		{name: "everyone before ep", entries: []revlog.Entry{everyone(testEpoch - 1)}, want: Accept},
		{name: "everyone, though chk is newer", entries: []revlog.Entry{everyone(testEpoch)}, query: func(q *Query) { q.Checked = testM }, want: Refuse, reason: RevokedEveryone},
		{name: "everyone, anonymous", entries: []revlog.Entry{everyone(testEpoch)}, query: anonymous, want: Refuse, reason: RevokedEveryone},
		{name: "everyone before, anonymous", entries: []revlog.Entry{everyone(testEpoch - 1)}, query: anonymous, want: Accept},
		{name: "everyone, missing ep", entries: []revlog.Entry{everyone(1)}, query: func(q *Query) { q.Epoch = 0 }, want: Refuse, reason: RevokedEveryone},
		{name: "an older everyone does not hide a newer one", entries: []revlog.Entry{everyone(testEpoch), everyone(1)}, want: Refuse, reason: RevokedEveryone},
		{name: "key of the session token", entries: []revlog.Entry{key("one")}, want: Refuse, reason: RevokedKey},
		{name: "key of the renewal token", entries: []revlog.Entry{key("two")}, want: Refuse, reason: RevokedKey},
		{name: "key, anonymous", entries: []revlog.Entry{key("two")}, query: anonymous, want: Refuse, reason: RevokedKey},
		{name: "key, though chk and ep are newer", entries: []revlog.Entry{key("one")}, query: func(q *Query) { q.Checked, q.Epoch = testM, testM }, want: Refuse, reason: RevokedKey},
		{name: "another key", entries: []revlog.Entry{key("three")}, want: Accept},
		{name: "another key, no kids", entries: []revlog.Entry{key("three")}, query: func(q *Query) { q.Keys = [2]string{} }, want: Accept},

		// Outside the list.
		{name: "anonymous, never checked", query: func(q *Query) { anonymous(q); q.Checked, q.Term, q.Epoch = 0, 99, testM+hourMS }, want: Accept},
		{name: "anonymous, whatever the term", query: func(q *Query) { anonymous(q); q.Term, q.Epoch = 99, testM+hourMS }, want: Accept},
		{name: "anonymous, chk past the retention", query: func(q *Query) { anonymous(q); q.Checked = testM - Config{}.retain().Milliseconds() - 1 }, want: Refuse, reason: Stale},
		{name: "anonymous, its sid on the list", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeSession, own, revlog.Forever)}, query: anonymous, want: Accept},

		// Retention.
		{name: "chk at the retention", query: func(q *Query) { q.Checked = testM - Config{}.retain().Milliseconds() }, want: Ask},
		{name: "chk past the retention", query: func(q *Query) { q.Checked = testM - Config{}.retain().Milliseconds() - 1 }, want: Refuse, reason: Stale},
		{name: "the old retention for chk before a longer one",
			view: func(v *view) {
				v.head.Retentions = []revlog.Retention{{Retain: time.Hour}, {From: testM - 30*minuteMS, Retain: 9 * time.Hour}}
			},
			query: func(q *Query) { q.Checked = testM - 61*minuteMS }, want: Refuse, reason: Stale},
		{name: "the new retention for chk after a longer one",
			view: func(v *view) {
				v.head.Retentions = []revlog.Retention{{Retain: time.Minute}, {From: testM - 30*minuteMS, Retain: 9 * time.Hour}}
			},
			query: func(q *Query) { q.Checked = testM - 30*minuteMS }, want: Accept},
		{name: "the latest of two longer retentions before chk",
			view: func(v *view) {
				v.head.Retentions = []revlog.Retention{{Retain: time.Minute}, {From: testM - 90*minuteMS, Retain: 2 * time.Minute}, {From: testM - 60*minuteMS, Retain: 9 * time.Hour}}
			},
			query: func(q *Query) { q.Checked = testM - 50*minuteMS }, want: Accept},

		// Ask.
		{name: "ep at log time + ε", query: func(q *Query) { q.Epoch = testM + skew }, want: Accept},
		{name: "ep far past log time", query: func(q *Query) { q.Epoch = testM + skew + minuteMS }, want: Ask},
		{name: "chk at ms(M) + S", query: func(q *Query) { q.Checked = testM + skew }, want: Accept},
		{name: "chk past ms(M) + S", query: func(q *Query) { q.Checked = testM + skew + 1 }, want: Ask},
		{name: "chk at the window start", query: func(q *Query) { q.Checked = testM - 2*hourMS }, want: Accept},
		{name: "chk before the window start", query: func(q *Query) { q.Checked = testM - 2*hourMS - 1 }, want: Ask},
		{name: "chk at Born", view: func(v *view) { v.head.Born = testM - hourMS }, query: func(q *Query) { q.Checked = testM - hourMS }, want: Accept},
		{name: "chk before Born", view: func(v *view) { v.head.Born = testM - hourMS }, query: func(q *Query) { q.Checked = testM - hourMS - 1 }, want: Ask},
		{name: "chk at the floor", view: func(v *view) { v.head.Floor = testM - minuteMS }, want: Accept},
		{name: "chk before the floor", view: func(v *view) { v.head.Floor = testM - minuteMS + 1 }, want: Ask},
		{name: "unknown term", query: func(q *Query) { q.Term = 8 }, want: Ask},
		{name: "checked in another list of the same server", query: func(q *Query) { q.Term = termIn(revlog.ListID{1}, testTerm) }, want: Ask},
		{name: "no terms known", view: func(v *view) { v.head.Terms = nil }, want: Ask},
		{name: "chk before the end of its term", view: func(v *view) {
			v.head.Terms = append(v.head.Terms, revlog.Term{ID: 8, Start: testM - minuteMS + 1})
		}, want: Accept},
		{name: "chk at the end of its term, when the next primary may have taken a revocation", view: func(v *view) {
			v.head.Terms = append(v.head.Terms, revlog.Term{ID: 8, Start: testM - minuteMS})
		}, want: Ask},
		{name: "the next term ended too", view: func(v *view) {
			v.head.Terms = append(v.head.Terms, revlog.Term{ID: 8, Start: testM - 10*minuteMS}, revlog.Term{ID: 9, Start: testM - 1})
		}, want: Ask},
		{name: "the term of a primary that came back starts again", view: func(v *view) {
			v.head.Terms = append(v.head.Terms, revlog.Term{ID: 8, Start: testM - 10*minuteMS}, revlog.Term{ID: testTerm, Start: testM - 5*minuteMS})
		}, want: Accept},
		{name: "must ask, but known to be revoked", entries: []revlog.Entry{entryAt(testM-minuteMS, revlog.ScopeSession, own, revlog.Forever)},
			query: func(q *Query) { q.Term = 8 }, want: Refuse, reason: RevokedSession},

		// Hits that the recent entries decide.
		{name: "session", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeSession, own, revlog.Forever)}, want: Refuse, reason: RevokedSession},
		{name: "session, at chk", entries: []revlog.Entry{entryAt(testM-minuteMS, revlog.ScopeSession, own, revlog.Forever)}, want: Accept},
		{name: "session, right after chk", entries: []revlog.Entry{entryAt(testM-minuteMS+1, revlog.ScopeSession, own, revlog.Forever)}, want: Refuse, reason: RevokedSession},
		{name: "subject at ep", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeSubject, revlog.Tag{2}, testEpoch)}, want: Refuse, reason: RevokedSubject},
		{name: "subject before ep", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeSubject, revlog.Tag{2}, testEpoch-1)}, want: Accept},
		{name: "first group", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeGroup, revlog.Tag{3}, testEpoch)}, want: Refuse, reason: RevokedGroup},
		{name: "last group", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeGroup, revlog.Tag{4}, testEpoch)}, want: Refuse, reason: RevokedGroup},
		{name: "group before ep", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeGroup, revlog.Tag{4}, testEpoch-1)}, want: Accept},
		{name: "another group", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeGroup, revlog.Tag{5}, testM)}, want: Accept},
		{name: "a group's tag is not a subject's", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeGroup, revlog.Tag{2}, testM)}, want: Accept},
		{name: "a subject's tag is not a group's", entries: []revlog.Entry{entryAt(testM-1, revlog.ScopeSubject, revlog.Tag{3}, testM)}, want: Accept},
		{name: "the newer W is lower", entries: []revlog.Entry{entryAt(testM-2, revlog.ScopeSubject, revlog.Tag{2}, testEpoch), entryAt(testM-1, revlog.ScopeSubject, revlog.Tag{2}, 1)}, want: Refuse, reason: RevokedSubject},
		{name: "one group is revoked, the other not", entries: []revlog.Entry{entryAt(testM-2, revlog.ScopeGroup, revlog.Tag{3}, 1), entryAt(testM-1, revlog.ScopeGroup, revlog.Tag{4}, testEpoch)}, want: Refuse, reason: RevokedGroup},

		// Hits older than the recent entries.
		{name: "session beyond the recent entries", entries: []revlog.Entry{entryAt(testM-ago, revlog.ScopeSession, own, revlog.Forever)}, query: old, want: Ask},
		{name: "subject beyond the recent entries", entries: []revlog.Entry{entryAt(testM-ago, revlog.ScopeSubject, revlog.Tag{2}, testEpoch)}, query: old, want: Refuse, reason: RevokedSubject},
		{name: "group beyond the recent entries", entries: []revlog.Entry{entryAt(testM-ago, revlog.ScopeGroup, revlog.Tag{4}, testEpoch)}, query: old, want: Refuse, reason: RevokedGroup},
		{name: "subject beyond the recent entries, logged in again", entries: []revlog.Entry{entryAt(testM-ago, revlog.ScopeSubject, revlog.Tag{2}, testEpoch-1)}, query: old, want: Accept},
		{name: "beyond the recent entries, but chk is newer", entries: []revlog.Entry{entryAt(testM-ago, revlog.ScopeSession, own, revlog.Forever)}, want: Accept},
		{name: "beyond the recent entries, and again inside", entries: []revlog.Entry{entryAt(testM-ago, revlog.ScopeSubject, revlog.Tag{2}, 1), entryAt(testM-1, revlog.ScopeSubject, revlog.Tag{2}, testEpoch)}, query: old, want: Refuse, reason: RevokedSubject},
		{name: "beyond the recent entries, and lower inside", entries: []revlog.Entry{entryAt(testM-ago, revlog.ScopeSubject, revlog.Tag{2}, testEpoch), entryAt(testM-1, revlog.ScopeSubject, revlog.Tag{2}, 1)}, query: old, want: Refuse, reason: RevokedSubject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := viewAt(tt.entries...)
			if tt.view != nil {
				tt.view(v)
			}
			q := someQuery()
			if tt.query != nil {
				tt.query(&q)
			}
			l := holding(t, Config{}, v)
			got := l.Decide(&q)
			if got.Outcome != tt.want || got.Reason != tt.reason {
				t.Errorf("Decide = %v %v, want %v %v", got.Outcome, got.Reason, tt.want, tt.reason)
			}
			if !got.Fresh {
				t.Error("not Fresh although in step")
			}
			if got.Renew != (tt.want == Accept) { // R19
				t.Errorf("Renew = %v", got.Renew)
			}
			if n := l.Stats().Decisions["memory"][tt.want.String()]; tt.want != Ask && n != 1 || l.counters.all() != 1 {
				t.Errorf("counted %d times as %v, and %d times in all", n, tt.want, l.counters.all())
			}
			if r := l.Stats().Refusals[tt.reason.String()]; tt.want == Refuse && r != 1 {
				t.Errorf("refusal counted %d times", r)
			}
			if again := l.Decide(&q); again != got {
				t.Errorf("the same Query again: %+v, was %+v", again, got)
			}
		})
	}
}

func TestR16BootingAcceptsNobody(t *testing.T) {
	for name, q := range map[string]Query{"with a subject": someQuery(), "anonymous": {Session: [16]byte{1}}} {
		if got := holding(t, Config{}, nil).Decide(&q); got != (Verdict{Reason: Silent}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAQueryUsedAgainIsAnotherSession(t *testing.T) {
	tags, err := newTagger(revlogtest.Secrets(0))
	if err != nil {
		t.Fatal(err)
	}
	l := holding(t, Config{}, viewAt(entryAt(testM-1, revlog.ScopeSession, tags.session([16]byte{2}), revlog.Forever)))
	q := someQuery()
	for _, tt := range []struct {
		sid  byte
		want Outcome
	}{{1, Accept}, {2, Refuse}, {1, Accept}, {0, Accept}} {
		q.Session = [16]byte{tt.sid}
		if got := l.Decide(&q); got.Outcome != tt.want {
			t.Errorf("session %d: %v, want %v", tt.sid, got.Outcome, tt.want)
		}
	}
}

// R19: chk is one less than the newest position, and never before Born.
func TestR19Renewal(t *testing.T) {
	for _, tt := range []struct {
		name string
		view func(*view)
		want Verdict
	}{
		{"one less than M", func(*view) {}, Verdict{Outcome: Accept, Fresh: true, Extend: true, Renew: true, Checked: testM - 1, Term: testTerm}},
		{"not before Born", func(v *view) { v.head.Born = testM }, Verdict{Outcome: Accept, Fresh: true, Extend: true, Renew: true, Checked: testM, Term: testTerm}},
		{"in the present term", func(v *view) {
			v.head.Terms = append(v.head.Terms, revlog.Term{ID: 8, Start: testM + 1})
		}, Verdict{Outcome: Accept, Fresh: true, Extend: true, Renew: true, Checked: testM - 1, Term: 8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := viewAt()
			tt.view(v)
			q := someQuery()
			q.Checked = testM
			if got := holding(t, Config{}, v).Decide(&q); got != tt.want {
				t.Errorf("Decide = %+v, want %+v", got, tt.want)
			}
		})
	}
}

// slept returns then as read on a machine that has been suspended for d since: its wall
// clock went on, its monotonic clock stood still. Package time cannot express this.
func slept(then time.Time, d time.Duration) time.Time {
	fields := (*struct {
		wall uint64
		ext  int64 // the monotonic clock
		loc  *time.Location
	})(unsafe.Pointer(&then))
	fields.ext += int64(d)
	return then
}

// R9, R13, R24: the age of a view is the larger one by the two clocks.
func TestR24AStaleViewDoesNotRenew(t *testing.T) {
	for _, tt := range []struct {
		name string
		sent func(now time.Time) time.Time
		want Outcome
	}{
		{"fresh", func(now time.Time) time.Time { return now.Add(-1900 * time.Millisecond) }, Accept},
		{"stale", func(now time.Time) time.Time { return now.Add(-2100 * time.Millisecond) }, Ask},
		{"stale by the wall clock alone", func(now time.Time) time.Time { return slept(now.Add(-time.Hour), time.Hour-time.Millisecond) }, Ask},
		{"stale by the monotonic clock alone", func(now time.Time) time.Time { return slept(now.Add(-time.Millisecond), -time.Hour) }, Ask},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := viewAt()
			v.sent = tt.sent(time.Now())
			q := someQuery()
			got := holding(t, Config{}, v).Decide(&q)
			if got.Outcome != tt.want || got.Renew != (tt.want == Accept) || got.Fresh != (tt.want == Accept) {
				t.Errorf("Decide = %+v", got)
			}
		})
	}
}

func TestDisabledAcceptsEverybody(t *testing.T) {
	l := Disabled(revlogtest.Secrets(0))
	q := someQuery()
	if got := l.Decide(&q); got.Outcome != Accept || !got.Renew || !got.Fresh {
		t.Errorf("Decide = %+v", got)
	}
	if l.Enabled() || !l.Ready() || l.Stats().State != "disabled" {
		t.Errorf("Enabled %v, Ready %v, State %v", l.Enabled(), l.Ready(), l.Stats().State)
	}
	if _, err := l.Revoke(t.Context(), Revocation{Scope: revlog.ScopeEveryone}); err != ErrDisabled {
		t.Errorf("Revoke = %v", err)
	}
	if _, err := l.Revoked(t.Context(), revlog.Key{Scope: revlog.ScopeEveryone}); err != ErrDisabled {
		t.Errorf("Revoked = %v", err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Errorf("Close = %v", err)
	}
}
