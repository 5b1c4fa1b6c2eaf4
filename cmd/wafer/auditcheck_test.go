package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// audited makes a list with five revocations, and returns the lines of their records.
func audited(t testing.TB) (store *revlog.Memory, lines []string) {
	t.Helper()
	store = revlog.NewMemory()
	var b bytes.Buffer
	l, err := revocation.Open(t.Context(), store, revlogtest.Secrets(1), revocation.Config{Logger: quiet, Audit: slog.NewJSONHandler(&b, nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 4 {
		if _, err := l.Revoke(t.Context(), revocation.Subject(fmt.Sprint("user", i)), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Revoke(t.Context(), revocation.Session("AAECAwQFBgcICQoLDA0ODw"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.RevokeMany(t.Context(), slices.Values([]revocation.Target{revocation.Group("a"), revocation.Group("b")}), nil); err != nil {
		t.Fatal(err)
	}
	return store, slices.Collect(strings.Lines(b.String()))
}

// checked compares a file with the log.
func checked(t testing.TB, store *revlog.Memory, file string) auditReport {
	t.Helper()
	p, err := store.Read(t.Context(), revlog.Cursor{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	c := newAuditCheck(p.Head.ID)
	if err := c.read("audit.jsonl", strings.NewReader(file)); err != nil {
		t.Fatal(err)
	}
	if err := c.compare(t.Context(), store, p.Head.ID); err != nil {
		t.Fatal(err)
	}
	return c.out
}

func TestAuditCheck(t *testing.T) {
	store, lines := audited(t)
	good := strings.Join(lines, "")
	for _, row := range []struct {
		name                                        string
		file                                        string
		unexplained, unmatched, unreadable, another int
		why                                         string
	}{
		{"as it was written", good, 0, 0, 0, 0, ""},
		{"in another order, and twice", lines[4] + lines[1] + lines[0] + good, 0, 0, 0, 0, ""},
		{"with other lines", "\n{\"msg\":\"started\"}\n" + good, 0, 0, 0, 0, ""},
		{"without the last line feed", strings.TrimRight(good, "\n"), 0, 0, 0, 0, ""},
		{"nothing", "", 5, 0, 0, 0, ""},
		{"a line is gone", strings.Join(slices.Delete(slices.Clone(lines), 2, 3), ""), 1, 0, 0, 0, ""},
		{"a target is another", strings.Replace(good, `"tag":"`+tagIn(lines[1]), `"tag":"`+strings.Repeat("0", 32), 1), 1, 1, 0, 0, "no such entry"},
		{"a record of no entry", good + strings.NewReplacer(`-2","head"`, `-9","head"`).Replace(lines[1]), 0, 1, 0, 0, "the log ends at"},
		{"another chain", strings.Replace(good, `"chain":"`+chainIn(lines[2]), `"chain":"`+strings.Repeat("0", 16), 1), 0, 0, 0, 1, "another chain"},
		{"another chain in two records", strings.Replace(good, `"chain":"`+chainIn(lines[2]), `"chain":"`+strings.Repeat("0", 16), 1) +
			strings.Replace(lines[2], `"chain":"`+chainIn(lines[2]), `"chain":"`+strings.Repeat("0", 16), 1), 0, 0, 0, 2, "another chain"},
		{"it revokes less than the entry", strings.Replace(good, `"since":"20`, `"since":"19`, 1), 1, 1, 0, 0, "no such entry"},
		{"it does not say how much", strings.Replace(good, `"since":"`+valueIn(good, `"since":"`, 24)+`",`, "", 1), 0, 1, 0, 0, "no such entry"},
		{"the log was longer, and the record changed nothing", good + strings.NewReplacer(`-2","chain"`, `-9","chain"`, `"changed":true`, `"changed":false`).Replace(lines[1]), 0, 0, 0, 1, "the log ends at entry 5, and had 9"},
		{"half a line", good[:len(good)-40], 0, 0, 1, 0, "not a JSON object"},
		{"no JSON", good + "panic: at the disco\n", 0, 0, 1, 0, "not a JSON object"},
		{"a long line", strings.Repeat("x", 1<<20) + "\n" + good, 0, 0, 1, 0, "longer than"},
		{"a malformed record", good + `{"msg":"wafer audit","action":"revoke","time":"2026-01-01T00:00:00Z"}`, 0, 0, 1, 0, "no target"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := checked(t, store, row.file)
			if r.Unexplained.Count != row.unexplained || r.Unmatched.Count != row.unmatched || r.Unreadable.Count != row.unreadable || r.AnotherChain.Count != row.another {
				t.Errorf("report %+v", r)
			}
			if r.Entries != 5 || r.Explained+r.Again+r.Unexplained.Count != 5 || r.wrong() != (row.name != "as it was written" && row.unexplained+row.unmatched+row.unreadable+row.another > 0) {
				t.Errorf("report %+v", r)
			}
			var b strings.Builder
			r.print(&b)
			if !strings.Contains(b.String(), row.why) {
				t.Errorf("it prints %s", &b)
			}
		})
	}
	if r := checked(t, store, good); r.Quiet != 3 || r.Explained != 5 {
		t.Errorf("report %+v", r)
	}
}

// A list that was deleted is another one than the list that is there.
func TestAuditCheckOfAReset(t *testing.T) {
	store, lines := audited(t)
	good := strings.Join(lines, "")
	reset := func(members string) string {
		return `{"time":"2026-01-01T00:00:00Z","msg":"wafer audit","action":"reset"` + members + "}\n"
	}
	present := `,"list":"` + valueIn(good, `"list":"`, 32) + `"`
	for _, row := range []struct {
		name, line string
		another    int
	}{
		{"another list", reset(`,"list":"` + strings.Repeat("0", 32) + `"`), 0},
		{"a list without an id", reset(""), 0},
		{"this list, and it failed", reset(present + `,"error":"no answer"`), 0},
		{"this list", reset(present), 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := checked(t, store, row.line+good)
			var b strings.Builder
			r.print(&b)
			if r.Deleted != 1 || r.Explained != 5 || r.Elsewhere != 0 || r.AnotherChain.Count != row.another || r.wrong() != (row.another > 0) ||
				!strings.Contains(b.String(), "1  records are of lists that an operator deleted") {
				t.Errorf("report %+v\n%s", r, &b)
			}
		})
	}
}

// A second record of one entry that names somebody else is noticed, and a copy of the first is not.
func TestAuditCheckOfContradictions(t *testing.T) {
	store, lines := audited(t)
	good := strings.Join(lines, "")
	for _, row := range []struct{ old, new string }{
		{`"actor":""`, `"actor":"grace"`}, {`"reason":""`, `"reason":"leak"`}, {`"time":"20`, `"time":"19`},
	} {
		r := checked(t, store, good+lines[1]+strings.Replace(lines[1], row.old, row.new, 1))
		if r.Contradicting.Count != 1 || !r.wrong() || !strings.Contains(r.Contradicting.First[0].Why, "audit.jsonl:2") {
			t.Errorf("%s: report %+v", row.new, r)
		}
	}
}

// A record of a revocation past the log, which the store did not acknowledge, explains no entry.
func TestAuditCheckOfWhatWentPastTheLog(t *testing.T) {
	store, lines := audited(t)
	r, err := audit.Parse([]byte(lines[0]))
	if err != nil {
		t.Fatal(err)
	}
	past := fmt.Sprintf(`{"time":"2026-01-01T00:00:00Z","msg":"wafer audit","action":"revoke","quiet":true,"target":{"scope":"subject","tag":%q},"error":"no answer"}`+"\n", r.Target.Tag)
	if got := checked(t, store, past+strings.Join(lines[1:], "")); got.Unexplained.Count != 1 || got.Waiting != 0 || got.Quiet != 4 {
		t.Errorf("report %+v", got)
	}
}

// A second revocation of a subject that has no record is noticed, although the first one has.
func TestAuditCheckOfASecondRevocation(t *testing.T) {
	store, lines := audited(t)
	l, err := revocation.Open(t.Context(), store, revlogtest.Secrets(1), revocation.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for before := uint64(0); before == 0; { // a later moment
		got, err := l.Revoke(t.Context(), revocation.Subject("user0"), revocation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Changed {
			before++
		}
	}
	if r := checked(t, store, strings.Join(lines, "")); r.Unexplained.Count != 1 || r.Again != 0 {
		t.Errorf("report %+v", r)
	}
}

// A revocation that waited for the store comes later, and its record explains it. So do records of the
// list that was lost, if replicas write its revocations back.
func TestAuditCheckOfLateEntries(t *testing.T) {
	store, lines := audited(t)
	r, err := audit.Parse([]byte(lines[0]))
	if err != nil {
		t.Fatal(err)
	}
	waiting := fmt.Sprintf(`{"time":"2026-01-01T00:00:00Z","msg":"wafer audit","action":"revoke","target":{"scope":"subject","tag":%q},"error":"no answer"}`+"\n", r.Target.Tag)
	if got := checked(t, store, waiting+strings.Join(lines[1:], "")); got.Unexplained.Count != 0 || got.Again != 1 || got.Waiting != 1 {
		t.Errorf("report %+v", got)
	}
	other := strings.Replace(lines[0], r.List, strings.Repeat("0", 32), 1)
	if got := checked(t, store, other+strings.Join(lines[1:], "")); got.Unexplained.Count != 0 || got.Again != 1 || got.Elsewhere != 1 {
		t.Errorf("report %+v", got)
	}
}

func tagIn(line string) string   { return valueIn(line, `"tag":"`, 32) }
func chainIn(line string) string { return valueIn(line, `"chain":"`, 16) }

func valueIn(line, name string, n int) string {
	_, rest, _ := strings.Cut(line, name)
	return rest[:n]
}

// Records that all name one place in the log, each with another chain, take no longer than those that
// name places of their own.
func TestAuditCheckOfManyChainsAtOnePlace(t *testing.T) {
	const records = 50_000
	took := func(head func(n int) string) time.Duration {
		best := time.Hour
		for range 3 { // the machine may be busy
			c := newAuditCheck(revlog.ListID{1})
			begun := time.Now()
			for n := range records {
				c.record(audit.Record{
					Action: audit.Revoke, List: c.list, Quiet: true, Target: audit.Target{Scope: "subject"},
					Position: "1-1", Head: head(n), Chain: fmt.Sprintf("%016x", n),
				}, lineOf{line: n})
			}
			best = min(best, time.Since(begun))
		}
		return best
	}
	apart, together := took(func(n int) string { return fmt.Sprint("1-", n) }), took(func(int) string { return "1-1" })
	if together > 10*apart {
		t.Errorf("records of one place took %v, records of many %v", together, apart)
	}
}

// A file may hold anything. The counts of the report fit each other. Files are short, because the
// fuzzer shortens each input that shows something new, in a time that grows with the square of its
// length. TestAuditCheck has long ones.
func FuzzAuditCheck(f *testing.F) {
	const longest = 1 << 10 // two records
	store, lines := audited(f)
	for _, line := range lines[3:] {
		f.Add([]byte(line))
	}
	f.Add([]byte(lines[0][:60] + "\n" + lines[1]))
	f.Add([]byte(strings.Replace(lines[0], `"changed":true`, `"changed":false`, 1)))
	f.Add([]byte("{}\n\x00\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > longest {
			return
		}
		r := checked(t, store, string(file))
		if r.Entries != 5 || r.Explained+r.Again+r.Unexplained.Count != r.Entries || len(r.Unreadable.First) > mostFindings {
			t.Errorf("report %+v", r)
		}
	})
}
