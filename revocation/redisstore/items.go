package redisstore

import (
	"slices"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// The log is a stream of items. An item holds up to 64 entries of one write, see append in
// assert.lua.

// itemsFor returns how many items to read for one entry more than limit, which tells whether there
// are more. It assumes as many entries in an item as in the last read.
func (s *Store) itemsFor(limit int) int { return limit/int(max(s.perItem.Load(), 1)) + 1 }

// take adds the entries of items to p: those from the position from on, at most limit of them, and
// none that is newer than the head of p. asked is how many items the read asked for.
func (s *Store) take(d *decoder, p *revlog.Page, items any, from revlog.Position, limit, asked int) {
	all := d.list(items, 0)
	p.Entries = make([]revlog.Entry, 0, len(all))
	for _, item := range all {
		p.Entries = d.item(p.Entries, item)
	}
	if len(all) > 0 {
		s.perItem.Store(int64(len(p.Entries) / len(all)))
	}
	p.Entries = slices.DeleteFunc(p.Entries, func(e revlog.Entry) bool {
		return e.Position.Before(from) || e.Position.N > p.Head.N
	})
	switch n := len(p.Entries); {
	case n > limit:
		p.Entries, p.More = p.Entries[:limit], true
	case n > 0:
		p.More = len(all) == asked && p.Entries[n-1].Position.N < p.Head.N
	}
}

// oldest returns the position of the first entry of an item.
func (d *decoder) oldest(item any) revlog.Position {
	if all := d.item(nil, item); len(all) > 0 {
		return all[0].Position
	}
	return revlog.Position{}
}

// item reads one element of the reply to XRANGE, and appends its entries to all.
func (d *decoder) item(all []revlog.Entry, v any) []revlog.Entry {
	r := d.list(v, 2)
	var value any
	if fields, ok := r[1].([]any); ok && len(fields) == 2 {
		value = fields[1]
	}
	return d.entries(all, d.text(r[0]), value)
}

// entries appends the entries of an item to all. id is the position of the last one. A malformed
// item becomes one entry without a version, so that it is never just skipped.
func (d *decoder) entries(all []revlog.Entry, id string, v any) []revlog.Entry {
	last := d.position(id)
	text, _ := v.(string)
	before := len(all)
	for b := []byte(text); ; {
		e, rest, ok := parseEntry(b)
		if !ok || int64(len(all)-before) >= last.N {
			return append(all[:before], unknown(last, text))
		}
		all = append(all, e)
		if b = rest; len(b) == 0 {
			break
		}
	}
	for i := range all[before:] {
		all[before+i].Position = revlog.Position{MS: last.MS, N: last.N - int64(len(all)-before-1-i)}
	}
	return all
}

// parseEntry reads an entry of the log: the entry as revlog packs it, W (6 bytes) and until (6),
// which an entry that ends one session does not have, and chain (8).
func parseEntry(b []byte) (e revlog.Entry, rest []byte, ok bool) {
	e, rest, ok = revlog.ParsePacked(b)
	switch {
	case ok && e.Key().Bare() && len(rest) >= 8:
		e.W = revlog.Forever
	case ok && !e.Key().Bare() && len(rest) >= 20:
		e.W, e.Until = get6(rest), get6(rest[6:])
		rest = rest[12:]
	default:
		return revlog.Entry{}, b, false
	}
	return e, rest[copy(e.Chain[:], rest):], true
}

// unknown returns the entry that takes the place of a malformed item.
func unknown(at revlog.Position, text string) revlog.Entry {
	e := revlog.Entry{Position: at}
	if len(text) >= len(e.Chain) {
		copy(e.Chain[:], text[len(text)-len(e.Chain):])
	}
	return e
}
