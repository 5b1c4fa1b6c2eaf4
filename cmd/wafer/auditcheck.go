package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	mostRecords  = 5_000_000 // of revocations that one check holds in memory
	mostFindings = 1000      // of a kind that are named; more are counted
)

// An auditCheck compares audit records with the log of a list.
type auditCheck struct {
	list    string
	files   []string
	claims  map[int64][]claim     // records that name an entry, by its number
	chains  map[int64][]chainAt   // what records say of the chain, by number
	targets map[audit.Target]said // what records say of a target, wherever they place it
	n       int
	out     auditReport
}

// A claim is a record that names an entry of the log.
type claim struct {
	target audit.Target
	at     revlog.Position
	place  lineOf
	found  bool
}

type chainAt struct {
	chain [8]byte
	place lineOf
}

// A lineOf is a line of a file.
type lineOf struct{ file, line int }

// said is what records say of one target.
type said struct {
	waits bool  // one was not acknowledged, and may have come later
	w     int64 // the highest W of those that were, ms; forever for a session and a key
}

// An auditReport is what --json prints.
type auditReport struct {
	List      string `json:"list"`
	Oldest    string `json:"oldest"` // position of the oldest entry that the log still holds
	Head      string `json:"head"`   // position of the newest
	Entries   int    `json:"entries"`
	Explained int    `json:"explained"` // entries that a record names
	Again     int    `json:"again"`     // entries that a record explains, but at another position
	Records   int    `json:"records"`   // of all kinds
	Outside   int    `json:"outside"`   // records of entries that the log does not hold any more
	Quiet     int    `json:"quiet"`     // records of revocations that went past the log
	Waiting   int    `json:"waiting"`   // records of revocations that the store did not acknowledge
	Elsewhere int    `json:"elsewhere"` // records of other lists
	Other     int    `json:"other"`     // lines that are no audit records

	Unexplained  findings[auditEntry] `json:"unexplained"`   // entries that no record explains
	Unmatched    findings[auditLine]  `json:"unmatched"`     // records of an entry that the log does not have
	Unreadable   findings[auditLine]  `json:"unreadable"`    // lines that cannot be read
	AnotherChain findings[auditLine]  `json:"another_chain"` // records of another log than the one there is
}

// findings are the first of a kind, and how many there are.
type findings[T any] struct {
	Count int `json:"count"`
	First []T `json:"first"`
}

func (f *findings[T]) add(x T) {
	if f.Count++; len(f.First) < mostFindings {
		f.First = append(f.First, x)
	}
}

type auditEntry struct {
	Position string `json:"position"`
	Scope    string `json:"scope"`
	Tag      string `json:"tag"`
}

type auditLine struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Why  string `json:"why"`
}

func newAuditCheck(list revlog.ListID) *auditCheck {
	c := &auditCheck{list: hex.EncodeToString(list[:]), claims: map[int64][]claim{}, chains: map[int64][]chainAt{}, targets: map[audit.Target]said{}}
	c.out.List = c.list
	c.out.Unexplained.First, c.out.Unmatched.First = []auditEntry{}, []auditLine{}
	c.out.Unreadable.First, c.out.AnotherChain.First = []auditLine{}, []auditLine{}
	return c
}

// read reads a file of records. A line that is too long is an unreadable line, and no more of it than
// that is held in memory.
func (c *auditCheck) read(name string, in io.Reader) error {
	c.files = append(c.files, name)
	lines := bufio.NewReaderSize(in, audit.MaxLine+2)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = lines.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s: %w", name, err)
		}
		at := lineOf{len(c.files) - 1, n}
		switch {
		case long:
			c.out.Unreadable.add(c.line(at, fmt.Sprintf("the line is longer than %d bytes", audit.MaxLine)))
		case len(line) > 1 || len(line) == 1 && line[0] != '\n':
			c.take(line, at)
		}
		if c.n > mostRecords {
			return fmt.Errorf("there are more than %d records of revocations; check fewer files at a time", mostRecords)
		}
		if err == io.EOF {
			return nil
		}
	}
}

func (c *auditCheck) line(at lineOf, why string) auditLine {
	return auditLine{c.files[at.file], at.line, why}
}

// take notes what a line says.
func (c *auditCheck) take(line []byte, at lineOf) {
	r, err := audit.Parse(line)
	switch {
	case errors.Is(err, audit.ErrOther):
		c.out.Other++
		return
	case err != nil:
		c.out.Unreadable.add(c.line(at, err.Error()[len("audit: "):]))
		return
	}
	c.record(r, at)
}

// record notes what a record says. Its work does not depend on how many came before, because anybody
// may have written them.
func (c *auditCheck) record(r audit.Record, at lineOf) {
	c.out.Records++
	switch {
	case r.Action != audit.Revoke && r.Action != audit.RevokeMany:
		return
	case r.List != c.list:
		c.note(r) // replicas write it back to a new list
		if r.List == "" {
			c.out.Waiting++
		} else {
			c.out.Elsewhere++
		}
		return
	}
	_, head, _ := audit.Place(r.Head)
	known := chainAt{place: at}
	hex.Decode(known.chain[:], []byte(r.Chain))
	c.chains[head] = append(c.chains[head], known)
	if r.Quiet || r.Action == audit.RevokeMany {
		c.out.Quiet++
		c.n++
		return
	}
	c.note(r)
	if r.Changed {
		ms, n, _ := audit.Place(r.Position)
		c.claims[n] = append(c.claims[n], claim{target: r.Target, at: revlog.Position{MS: ms, N: n}, place: at})
	}
}

// note notes how far r revokes its target.
func (c *auditCheck) note(r audit.Record) {
	c.n++
	s, w := c.targets[r.Target], revlog.Forever
	if !r.Since.IsZero() {
		w = r.Since.UnixMilli()
	}
	if s.waits = s.waits || r.List == ""; r.List != "" {
		s.w = max(s.w, w)
	}
	c.targets[r.Target] = s
}

// compare reads the log and compares it with the records.
func (c *auditCheck) compare(ctx context.Context, s revlog.Store, list revlog.ListID) error {
	from := revlog.Position{}
	for {
		p, err := s.Read(ctx, revlog.Cursor{List: list, From: from, Limit: 4096})
		if err != nil {
			return noList(err)
		}
		for _, e := range p.Entries {
			c.entry(e)
			from = revlog.Position{MS: e.Position.MS, N: e.Position.N + 1}
		}
		if p.More && len(p.Entries) > 0 {
			continue
		}
		c.out.Oldest, c.out.Head = p.Oldest.String(), p.Head.Position().String()
		c.end(p)
		return nil
	}
}

func (c *auditCheck) entry(e revlog.Entry) {
	for _, k := range c.chains[e.Position.N] {
		if k.chain != e.Chain {
			c.out.AnotherChain.add(c.line(k.place, fmt.Sprintf("the log has another chain at %v", e.Position)))
		}
	}
	if e.Canary() {
		return
	}
	c.out.Entries++
	target := audit.Target{Scope: e.Scope.String(), Tag: e.Tag.String()}
	explained := false
	for i, r := range c.claims[e.Position.N] {
		if r.target == target && r.at == e.Position {
			c.claims[e.Position.N][i].found, explained = true, true
		}
	}
	switch s := c.targets[target]; {
	case explained:
		c.out.Explained++
	case s.waits || e.W <= s.w && s.w > 0:
		c.out.Again++
	default:
		c.out.Unexplained.add(auditEntry{e.Position.String(), target.Scope, target.Tag})
	}
}

// end says of each record whose entry was not found whether the log still holds that place.
func (c *auditCheck) end(last revlog.Page) {
	var missing []claim
	for _, all := range c.claims {
		for _, r := range all {
			switch {
			case r.found:
			case r.at.N <= last.Head.N && (last.Oldest.N == 0 || r.at.N < last.Oldest.N):
				c.out.Outside++
			default:
				missing = append(missing, r)
			}
		}
	}
	slices.SortFunc(missing, func(a, b claim) int {
		if a.place.file != b.place.file {
			return a.place.file - b.place.file
		}
		return a.place.line - b.place.line
	})
	for _, r := range missing {
		why := fmt.Sprintf("the log has no such entry at %v", r.at)
		if r.at.N > last.Head.N {
			why = fmt.Sprintf("the log ends at %v, before %v", last.Head.Position(), r.at)
		}
		c.out.Unmatched.add(c.line(r.place, why))
	}
}

// wrong reports whether records and log disagree, or a line cannot be read.
func (r auditReport) wrong() bool {
	return r.Unexplained.Count+r.Unmatched.Count+r.Unreadable.Count+r.AnotherChain.Count > 0
}

func (r auditReport) print(w io.Writer) {
	fmt.Fprintf(w, "Log       %s, from %s to %s\n", counted(r.Entries, "revocation"), r.Oldest, r.Head)
	fmt.Fprintf(w, "Records   %d\n\n", r.Records)
	for _, row := range []struct {
		n    int
		what string
	}{
		{r.Explained, "entries of the log have a record"},
		{r.Again, "entries were written again, or late, and have a record for another position"},
		{r.Outside, "records are of entries that the log does not hold any more"},
		{r.Quiet, "records are of revocations that went past the log"},
		{r.Waiting, "records are of revocations that the store did not acknowledge"},
		{r.Elsewhere, "records are of another list"},
		{r.Other, "lines are no audit records"},
		{r.Unexplained.Count, "ENTRIES OF THE LOG HAVE NO RECORD"},
		{r.Unmatched.Count, "RECORDS NAME AN ENTRY THAT THE LOG DOES NOT HAVE"},
		{r.AnotherChain.Count, "RECORDS ARE OF ANOTHER LOG THAN THIS ONE"},
		{r.Unreadable.Count, "LINES CANNOT BE READ"},
	} {
		if row.n > 0 {
			fmt.Fprintf(w, "%8d  %s\n", row.n, row.what)
		}
	}
	for _, e := range r.Unexplained.First {
		ms, _, _ := audit.Place(e.Position)
		fmt.Fprintf(w, "\nno record: %s  %s  %s  %s", e.Position, time.UnixMilli(ms).UTC().Format(time.RFC3339), e.Scope, e.Tag)
	}
	for _, all := range [][]auditLine{r.Unmatched.First, r.AnotherChain.First, r.Unreadable.First} {
		for _, l := range all {
			fmt.Fprintf(w, "\n%s:%d: %s", safe(l.File), l.Line, safe(l.Why))
		}
	}
	if r.wrong() {
		fmt.Fprintln(w)
	}
}
