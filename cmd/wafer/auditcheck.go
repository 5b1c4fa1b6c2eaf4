package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const mostRecords = 5_000_000 // of revocations that one check holds in memory

// An auditCheck compares audit records with the log of a list.
type auditCheck struct {
	list    string
	files   []string
	claims  map[int64][]claim   // records that name an entry, by its number
	chains  map[int64][]chainAt // what records say of the chain, by number
	targets map[concerned]said  // what records say of a target, wherever they place it
	n       int
	seed    maphash.Seed
	out     auditReport
}

// concerned is what a record or an entry is about, and what it does to that.
type concerned struct {
	target audit.Target
	effect string
	over   time.Duration
}

func concernedBy(e revlog.Entry) concerned {
	c := concerned{target: audit.Target{Scope: e.Scope.String(), Tag: e.Tag.String()}}
	c.effect, c.over = replica.AuditedEffect(e)
	return c
}

// A claim is a record that names an entry of the log.
type claim struct {
	concerned
	at    revlog.Position
	w     int64  // how far it reaches, ms; forever for a session and a key that end
	who   uint64 // stands for when, who, from where and why
	place lineOf
	found bool
}

// A chainAt is what a record says of the newest entry of the log.
type chainAt struct {
	n       int64 // the number of that entry
	chain   [8]byte
	place   lineOf
	claimed bool // the record also claims this entry
}

// A lineOf is a line of a file.
type lineOf struct{ file, line int }

func (a lineOf) compare(b lineOf) int {
	return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
}

// A saying is what only the records say, and no entry.
type saying struct {
	audit.By
	at int64 // ns
}

// said is what records say of one target.
type said struct {
	waits bool  // one was not acknowledged, and may have come later
	w     int64 // the highest W of those that were, ms; forever for a session and a key
}

func newAuditCheck(list revlog.ListID) *auditCheck {
	c := &auditCheck{list: hex.EncodeToString(list[:]), claims: map[int64][]claim{}, chains: map[int64][]chainAt{}, targets: map[concerned]said{}, seed: maphash.MakeSeed()}
	c.out.List = c.list
	c.out.Unexplained.First, c.out.Unmatched.First = []auditEntry{}, []auditLine{}
	c.out.Unreadable.First, c.out.AnotherChain.First, c.out.Contradicting.First = []auditLine{}, []auditLine{}, []auditLine{}
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
	case r.Action == audit.Reset:
		c.reset(r, at)
		return
	case r.Action != audit.Revoke && r.Action != audit.RevokeMany:
		return
	case r.List != "" && r.List != c.list:
		c.out.Elsewhere++
	case r.Quiet || r.Action == audit.RevokeMany:
		c.out.Quiet++
	case r.List == "":
		c.out.Waiting++
	}
	c.n++
	past := r.Quiet || r.Action == audit.RevokeMany
	if !past {
		c.note(r) // also one of another list: replicas write it back to a new list
	}
	if r.List != c.list {
		return
	}
	claims := !past && r.Changed
	if claims {
		of := placeIn(r.Position)
		who := maphash.Comparable(c.seed, saying{r.By, r.Time.UnixNano()})
		c.claims[of.N] = append(c.claims[of.N], claim{concerned: concerned{r.Target, r.Effect, r.Over}, at: of, w: reach(r), who: who, place: at})
	}
	n := placeIn(r.Head).N
	head := chainAt{n: n, place: at, claimed: claims && n == placeIn(r.Position).N}
	hex.Decode(head.chain[:], []byte(r.Chain))
	c.chains[n] = append(c.chains[n], head)
}

// reset notes that a list was deleted. The list that there is was not.
func (c *auditCheck) reset(r audit.Record, at lineOf) {
	c.out.Deleted++
	if r.List == c.list && r.Error == "" {
		c.out.AnotherChain.add(c.line(at, "the list is there, and was deleted by this record"))
	}
}

// placeIn returns the position that audit.Parse accepted.
func placeIn(position string) (p revlog.Position) {
	p.MS, p.N, _ = audit.Place(position)
	return p
}

// overText returns d as records have it: nothing for zero.
func overText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// reach returns how far r revokes its target, in ms.
func reach(r audit.Record) int64 {
	if r.Since.IsZero() {
		return revlog.Forever
	}
	return r.Since.UnixMilli()
}

// note notes how far r revokes its target.
func (c *auditCheck) note(r audit.Record) {
	of := concerned{r.Target, r.Effect, r.Over}
	s := c.targets[of]
	if s.waits = s.waits || r.List == ""; r.List != "" {
		s.w = max(s.w, reach(r))
	}
	c.targets[of] = s
	if r.Over > 0 { // a replica may end them at once up to there, as after a loss
		whole := concerned{target: r.Target}
		s := c.targets[whole]
		s.w = max(s.w, reach(r))
		c.targets[whole] = s
	}
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
	about := concernedBy(e)
	var first *claim // of those that explain e
	for i, r := range c.claims[e.Position.N] {
		if r.concerned != about || r.at != e.Position || r.w != e.W {
			continue
		}
		found := &c.claims[e.Position.N][i]
		if found.found = true; first == nil {
			first = found
		} else if r.who != first.who {
			c.out.Contradicting.add(c.line(r.place, fmt.Sprintf("another record says something else of %v: %s:%d", r.at, c.files[first.place.file], first.place.line)))
		}
	}
	switch s := c.targets[about]; {
	case first != nil:
		c.out.Explained++
	case s.waits || e.W <= s.w && s.w > 0:
		c.out.Again++
	default:
		c.out.Unexplained.add(auditEntry{Position: e.Position.String(), Scope: about.target.Scope, Tag: about.target.Tag, Effect: about.effect, Over: overText(about.over)})
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
	slices.SortFunc(missing, func(a, b claim) int { return a.place.compare(b.place) })
	for _, r := range missing {
		why := fmt.Sprintf("the log has no such entry at %v", r.at)
		if r.at.N > last.Head.N {
			why = fmt.Sprintf("the log ends at %v, before %v", last.Head.Position(), r.at)
		}
		c.out.Unmatched.add(c.line(r.place, why))
	}
	c.beyond(last)
}

// beyond finds the records that were written when the log was longer.
func (c *auditCheck) beyond(last revlog.Page) {
	var all []chainAt
	for n, some := range c.chains {
		if n <= last.Head.N {
			continue
		}
		for _, k := range some {
			if !k.claimed { // Unmatched has it
				all = append(all, k)
			}
		}
	}
	slices.SortFunc(all, func(a, b chainAt) int { return a.place.compare(b.place) })
	for _, k := range all {
		c.out.AnotherChain.add(c.line(k.place, fmt.Sprintf("the log ends at entry %d, and had %d", last.Head.N, k.n)))
	}
}
