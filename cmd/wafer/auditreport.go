package main

import (
	"fmt"
	"io"
	"time"

	"github.com/wafer-sessions/wafer/audit"
)

const mostFindings = 1000 // of a kind that are named; more are counted

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
	Deleted   int    `json:"deleted"`   // records of lists that an operator deleted
	Other     int    `json:"other"`     // lines that are no audit records

	Unexplained  findings[auditEntry] `json:"unexplained"`   // entries that no record explains
	Unmatched    findings[auditLine]  `json:"unmatched"`     // records of an entry that the log does not have
	Unreadable   findings[auditLine]  `json:"unreadable"`    // lines that cannot be read
	AnotherChain findings[auditLine]  `json:"another_chain"` // records of another log than the one there is
	// Contradicting are records of an entry that has another record already, which says something else.
	Contradicting findings[auditLine] `json:"contradicting"`
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
	Effect   string `json:"effect,omitempty"` // as in the record
	Over     string `json:"over,omitempty"`
}

type auditLine struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Why  string `json:"why"`
}

// wrong reports whether records and log disagree, or a line cannot be read.
func (r auditReport) wrong() bool {
	return r.Unexplained.Count+r.Unmatched.Count+r.Unreadable.Count+r.AnotherChain.Count+r.Contradicting.Count > 0
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
		{r.Deleted, "records are of lists that an operator deleted"},
		{r.Other, "lines are no audit records"},
		{r.Unexplained.Count, "ENTRIES OF THE LOG HAVE NO RECORD"},
		{r.Unmatched.Count, "RECORDS NAME AN ENTRY THAT THE LOG DOES NOT HAVE"},
		{r.AnotherChain.Count, "RECORDS ARE OF ANOTHER LOG THAN THIS ONE"},
		{r.Contradicting.Count, "RECORDS CONTRADICT ANOTHER RECORD OF THE SAME ENTRY"},
		{r.Unreadable.Count, "LINES CANNOT BE READ"},
	} {
		if row.n > 0 {
			fmt.Fprintf(w, "%8d  %s\n", row.n, row.what)
		}
	}
	for _, e := range r.Unexplained.First {
		ms, _, _ := audit.Place(e.Position)
		fmt.Fprintf(w, "\nno record: %s  %s  %s  %s", e.Position, time.UnixMilli(ms).UTC().Format(time.RFC3339), e.Scope, e.Tag)
		if e.Effect != "" {
			fmt.Fprintf(w, "  %s", e.Effect)
		}
		if e.Over != "" {
			fmt.Fprintf(w, "  over %s", e.Over)
		}
	}
	for _, all := range [][]auditLine{r.Unmatched.First, r.AnotherChain.First, r.Contradicting.First, r.Unreadable.First} {
		for _, l := range all {
			fmt.Fprintf(w, "\n%s:%d: %s", safe(l.File), l.Line, safe(l.Why))
		}
	}
	if r.wrong() {
		fmt.Fprintln(w)
	}
}
