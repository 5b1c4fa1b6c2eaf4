package replica

import (
	"context"
	"fmt"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	inspectPage  = 4096
	mostProblems = 10
	clockAhead   = 10 * time.Minute // of log time, before it is worth a word
)

// An Inspection is what a tool can see of a list without joining it.
type Inspection struct {
	Head           revlog.Head
	Oldest, Newest revlog.Position // of the log, as far as it was read
	Entries        int             // read
	Globals        int             // global entries in force
	OtherRing      bool            // it does not belong to the ring that was given
	Problems       []string        // why a replica would not follow it
}

// Inspect reads the list in s, whichever list that is, from the log time that from returns.
// It joins nothing and changes nothing. It checks that the list belongs to k; if k is nil,
// it cannot know that.
func Inspect(ctx context.Context, s revlog.Store, k Secrets, from func(revlog.Head) int64) (Inspection, error) {
	p, err := s.Read(ctx, revlog.Cursor{Limit: 1, Globals: true})
	if err != nil {
		return Inspection{}, err
	}
	i := inspector{Inspection: Inspection{Head: p.Head, Globals: len(p.Globals)}}
	if k != nil {
		if i.tags, err = newTagger(k); err != nil {
			return Inspection{}, err
		}
		if i.OtherRing = i.tags.check != p.Head.Check; i.OtherRing {
			i.tags = nil
		}
	}
	if p.Head.Layout != revlog.Layout {
		i.problem("the list has layout %d, which this version does not know", p.Head.Layout)
		return i.Inspection, nil
	}
	for _, e := range p.Globals {
		if i.forged(e) {
			i.problem("a global entry, about %v, is forged, or damaged", e.Scope)
		}
	}
	if ahead := time.Until(time.UnixMilli(p.Head.MS)); ahead > clockAhead {
		i.problem("log time is %v ahead of this machine's clock", ahead.Round(time.Second))
	}
	at := revlog.Position{MS: max(from(p.Head), 0)}
	for {
		p, err := s.Read(ctx, revlog.Cursor{List: i.Head.ID, From: at, Limit: inspectPage})
		if err != nil {
			return Inspection{}, err
		}
		for _, e := range p.Entries {
			i.entry(e)
		}
		if !p.More {
			i.end(p.Head)
			return i.Inspection, nil
		}
		at = revlog.Position{MS: i.Newest.MS, N: i.Newest.N + 1}
	}
}

type inspector struct {
	Inspection
	tags  *tagger // nil: MACs are not checked
	chain [8]byte
}

func (i *inspector) problem(format string, args ...any) {
	if len(i.Problems) < mostProblems {
		i.Problems = append(i.Problems, fmt.Sprintf(format, args...))
	}
}

func (i *inspector) forged(e revlog.Entry) bool {
	return i.tags != nil && (e.MAC != i.tags.entryMAC(e) || e.W > e.Limit)
}

func (i *inspector) entry(e revlog.Entry) {
	at := e.Position
	switch {
	case i.Entries == 0:
		i.Oldest = at
	case at.N > i.Newest.N+1:
		i.problem("entries %d to %d are missing: %v is followed by %v", i.Newest.N+1, at.N-1, i.Newest, at)
	case at.N != i.Newest.N+1:
		i.problem("numbers repeat: %v is followed by %v", i.Newest, at)
	case at.MS < i.Newest.MS:
		i.problem("log time runs backwards: %v is followed by %v", i.Newest, at)
	}
	switch {
	case i.forged(e):
		i.problem("entry %v is forged, or damaged", at)
	case !e.Understood():
		i.problem("entry %v is of a kind that this version does not know", at)
	}
	i.Newest, i.chain = at, e.Chain
	i.Entries++
}

// end compares the end of the log with the head that was read together with it.
func (i *inspector) end(h revlog.Head) {
	i.Head = h
	switch {
	case i.Entries == 0:
	case h.N != i.Newest.N:
		i.problem("the newest entry should be %d, and the log ends with %v", h.N, i.Newest)
	case h.Chain != i.chain:
		i.problem("the head is not of this log: entry %v has another chain", i.Newest)
	}
}
