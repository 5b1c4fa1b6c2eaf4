package replica

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// chainOf returns a made-up chain. Replicas only compare chains.
func chainOf(prev [8]byte, p revlog.Position) (next [8]byte) {
	sum := sha256.Sum256(fmt.Append(prev[:], p))
	copy(next[:], sum[:])
	return next
}

// chained gives entries the positions and chains that a log would.
func chained(after revlog.Position, chain [8]byte, n int) []revlog.Entry {
	var out []revlog.Entry
	for i := range n {
		e := entryAt(after.MS+int64(i+1)*10, revlog.ScopeSession, numbered(int(after.N)+i), revlog.Forever)
		e.Position.N = after.N + int64(i) + 1
		chain = chainOf(chain, e.Position)
		e.Chain = chain
		out = append(out, e)
	}
	return out
}

func TestR10Follow(t *testing.T) {
	begun := chained(revlog.Position{MS: testM - 1000}, [8]byte{}, 5)
	last := begun[4]
	next := chained(last.Position, last.Chain, 4)
	other := chained(begun[2].Position, begun[2].Chain, 6) // written by another primary after the third entry
	for i := range other {
		other[i].Position.MS += 7
	}
	page := func(from []revlog.Entry, entries ...revlog.Entry) revlog.Page {
		all := append(append([]revlog.Entry(nil), from...), entries...)
		p := revlog.Page{Entries: all, Oldest: begun[0].Position}
		end := last
		if len(all) > 0 {
			end = all[len(all)-1]
		}
		p.Head = revlog.Head{Born: testM - hourMS, MS: max(end.Position.MS, testM), N: end.Position.N, Chain: end.Chain}
		return p
	}
	own := []revlog.Entry{last}
	for _, tt := range []struct {
		name string
		page func() revlog.Page
		want int // entries
		err  error
	}{
		{"nothing new", func() revlog.Page { return page(own) }, 0, nil},
		{"four new ones", func() revlog.Page { return page(own, next...) }, 4, nil},
		{"a part of them", func() revlog.Page {
			p := page(own, next[:2]...)
			p.More, p.Head.N, p.Head.Chain = true, next[3].Position.N, next[3].Chain
			return p
		}, 2, nil},
		{"own last entry trimmed", func() revlog.Page {
			p := page(nil, next[2:]...)
			p.Oldest = next[2].Position
			return p
		}, 2, errTrimmed},
		{"own last entry trimmed, nothing lost", func() revlog.Page {
			p := page(nil, next...)
			p.Oldest = next[0].Position
			return p
		}, 4, errTrimmed},
		{"all trimmed, nothing new", func() revlog.Page {
			p := page(nil)
			p.Oldest = revlog.Position{}
			return p
		}, 0, nil},
		{"all trimmed, including new ones", func() revlog.Page {
			p := page(nil)
			p.Oldest, p.Head.N, p.Head.Chain = revlog.Position{}, next[3].Position.N, next[3].Chain
			return p
		}, 0, errTrimmed},
		{"own last entry is missing", func() revlog.Page { return page(nil, next...) }, 0, errBroken},
		{"the tail was lost", func() revlog.Page {
			p := page(nil)
			p.Head.N, p.Head.Chain = begun[2].Position.N, begun[2].Chain
			return p
		}, 0, errBroken},
		{"the tail was lost, and others wrote since", func() revlog.Page { return page(nil, other[3:]...) }, 0, errBroken},
		{"another entry in the same place", func() revlog.Page {
			p := page(own)
			p.Entries[0].Chain[0] ^= 1
			return p
		}, 0, errBroken},
		{"a number is missing", func() revlog.Page { return page(own, next[0], next[2], next[3]) }, 0, errBroken},
		{"a number twice", func() revlog.Page { return page(own, next[0], next[0]) }, 0, errBroken},
		{"log time went back", func() revlog.Page {
			p := page(own, next...)
			p.Entries[3].Position.MS = testM - 2000
			return p
		}, 0, errBroken},
		{"the head is behind its entries", func() revlog.Page {
			p := page(own, next...)
			p.Head.MS = next[3].Position.MS - 1
			return p
		}, 0, errBroken},
		{"the head's chain is another", func() revlog.Page {
			p := page(own, next...)
			p.Head.Chain[7] ^= 1
			return p
		}, 0, errBroken},
		{"the head has more than the end of the log", func() revlog.Page {
			p := page(own, next[:3]...)
			p.Head.N++
			return p
		}, 0, errBroken},
		{"the head went back, with no entry missing", func() revlog.Page {
			p := page(own)
			p.Head.Born -= hourMS
			return p
		}, 0, errBroken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &view{head: revlog.Head{Born: testM - hourMS}, last: last.Position, chain: last.Chain, m: revlog.Position{MS: last.Position.MS + 5, N: 5}, now: newWindow(testM - hourMS)}
			entries, err := v.follow(tt.page())
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) || len(entries) != tt.want {
				t.Errorf("follow = %d entries, %v, want %d, %v", len(entries), err, tt.want, tt.err)
			}
		})
	}
}

// R12: an entry that cannot be checked is counted and moves the window start. It is never just
// skipped.
func TestR12AnUnreadableEntryMovesTheWindowStart(t *testing.T) {
	const n = 5
	for _, tt := range []struct {
		name   string
		change func(*revlog.Entry)
		signed bool   // by a newer release
		counts string // "": the entry is valid
	}{
		{name: "a valid entry", change: func(*revlog.Entry) {}},
		{name: "MAC", change: func(e *revlog.Entry) { e.MAC[3] ^= 1 }, counts: "forged"},
		{name: "tag", change: func(e *revlog.Entry) { e.Tag[3] ^= 1 }, counts: "forged"},
		{name: "scope of another", change: func(e *revlog.Entry) { e.Scope = revlog.ScopeEveryone }, counts: "forged"},
		{name: "version", change: func(e *revlog.Entry) { e.Version++ }, counts: "forged"},
		{name: "effect", change: func(e *revlog.Entry) { e.Effect++ }, counts: "forged"},
		{name: "parameters", change: func(e *revlog.Entry) { e.Params = "x" }, counts: "forged"},
		{name: "beyond its limit", change: func(e *revlog.Entry) { e.Limit-- }, counts: "forged"},
		{name: "a later version that this release understands", change: func(e *revlog.Entry) { e.Version, e.Params = 0x21, "x" }, signed: true},
		{name: "a later version", change: func(e *revlog.Entry) { e.Version = 0x22 }, signed: true, counts: "unknown"},
		{name: "another effect", change: func(e *revlog.Entry) { e.Effect = 0x90 }, signed: true, counts: "unknown"},
		{name: "another origin", change: func(e *revlog.Entry) { e.Effect = 0x11 }, signed: true, counts: "unknown"},
		{name: "unknown scope", change: func(e *revlog.Entry) { e.Scope = 'z' }, signed: true, counts: "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := viewAt()
			l := holding(t, Config{}, v)
			entries := chained(revlog.Position{MS: testM}, [8]byte{}, n)
			for i := range entries {
				entries[i].MAC = l.tags.entryMAC(entries[i])
			}
			bad := &entries[2]
			tt.change(bad)
			if tt.signed {
				bad.MAC = l.tags.entryMAC(*bad)
			}
			head := v.head
			head.MS, head.N = entries[n-1].Position.MS, n
			got := l.advance(v, revlog.Page{Head: head, Entries: entries}, entries, time.Now())
			h0, counted, left := v.now.from, l.Stats().Anomalies, tt.counts != ""
			if left {
				h0 = bad.Position.MS
			}
			if got.now.from != h0 || counted["forged"]+counted["unknown"] != counted[tt.counts] || left != (counted[tt.counts] == 1) {
				t.Errorf("window start = %d and %v counted, want %d", got.now.from-testM, counted, h0-testM)
			}
			if got.now.entries() != map[bool]int64{true: n - 1, false: n}[left] {
				t.Errorf("%d entries", got.now.entries())
			}
			q := someQuery()
			q.Checked = bad.Position.MS - 1
			l.view.Store(got)
			if d := l.Decide(&q); (d.Outcome == Ask) != left {
				t.Errorf("checked before it: %v", d.Outcome)
			}
			q.Checked = bad.Position.MS
			if d := l.Decide(&q); d.Outcome != Accept {
				t.Errorf("checked since: %v", d.Outcome)
			}
			if got.last.N != n {
				t.Errorf("continues after entry %d", got.last.N)
			}
		})
	}
}
