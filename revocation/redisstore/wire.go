package redisstore

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// maxNumber is the largest number that six bytes hold.
const maxNumber = 1<<48 - 1

// append6 appends n in six bytes, big endian. A number out of range becomes the nearest one in
// range.
func append6(b []byte, n int64) []byte {
	var all [8]byte
	binary.BigEndian.PutUint64(all[:], uint64(min(max(n, 0), maxNumber)))
	return append(b, all[2:]...)
}

func get6(b []byte) int64 {
	return int64(binary.BigEndian.Uint16(b))<<32 | int64(binary.BigEndian.Uint32(b[2:]))
}

// appendAssertions appends each assertion: when (1 byte), W (6), until (6), length (1) and the MAC
// of the entry to replace, length (1) and the entry as revlog packs it.
func appendAssertions(b []byte, all []revlog.Assertion) []byte {
	b = slices.Grow(b, 64*len(all))
	for _, a := range all {
		b = append6(append6(append(b, byte(a.When)), a.W), a.Until)
		b = append(append(b, byte(len(a.Over))), a.Over...)
		at := len(b)
		b = a.Entry().AppendPacked(append(b, 0))
		b[at] = byte(len(b) - at - 1)
	}
	return b
}

// appendQuestion appends session (16 bytes), subject (16), epoch (6), logged in (6), loaded (6),
// checked (6), skew (4), the numbers of groups (1) and keys (1), and their tags.
func appendQuestion(b []byte, q revlog.Question) []byte {
	b = append(b, q.Session[:]...)
	b = append(b, q.Subject[:]...)
	b = append6(append6(append6(append6(b, q.Epoch), q.LoggedIn), q.Loaded), q.Checked)
	b = binary.BigEndian.AppendUint32(b, uint32(q.Skew.Milliseconds()))
	groups, keys := q.Groups[:min(len(q.Groups), 255)], q.Keys[:min(len(q.Keys), 255)]
	b = append(b, byte(len(groups)), byte(len(keys)))
	for _, t := range groups {
		b = append(b, t[:]...)
	}
	for _, t := range keys {
		b = append(b, t[:]...)
	}
	return b
}

// A decoder reads replies of scripts and keeps the first error.
type decoder struct{ err error }

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("redisstore: malformed reply: "+format, args...)
	}
}

// list returns an array of at least n parts. If v is not one, the parts are nil.
func (d *decoder) list(v any, n int) []any {
	parts, ok := v.([]any)
	if !ok || len(parts) < n {
		d.fail("%T of %d parts, want at least %d", v, len(parts), n)
		return make([]any, n)
	}
	return parts
}

func (d *decoder) text(v any) string {
	s, ok := v.(string)
	if !ok {
		d.fail("%T, want text", v)
	}
	return s
}

// int reads a number, which scripts send as an integer or as digits. All numbers of a list fit into
// six bytes.
func (d *decoder) int(v any) int64 {
	n, ok := v.(int64)
	if !ok {
		text := d.text(v)
		var err error
		if n, err = strconv.ParseInt(text, 10, 64); err != nil {
			d.fail("not a number")
			return 0
		}
	}
	if n < 0 || n > maxNumber {
		d.fail("number out of range")
		return 0
	}
	return n
}

// duration converts milliseconds. Six bytes can hold more than a Duration can.
func (d *decoder) duration(ms int64) time.Duration {
	if ms > math.MaxInt64/int64(time.Millisecond) {
		d.fail("time out of range")
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

func (d *decoder) ms(v any) time.Duration { return d.duration(d.int(v)) }

// fixed reads exactly len(to) bytes.
func (d *decoder) fixed(to []byte, v any) {
	if s := d.text(v); copy(to, s) != len(s) || len(s) != len(to) {
		d.fail("%d bytes, want %d", len(s), len(to))
	}
}

// records cuts text into parts of the same size.
func (d *decoder) records(v any, size int) (out [][]byte) {
	b := []byte(d.text(v))
	if len(b)%size != 0 {
		d.fail("%d bytes, want a multiple of %d", len(b), size)
		return nil
	}
	for ; len(b) > 0; b = b[size:] {
		out = append(out, b[:size])
	}
	return out
}

// head reads the head that told in common.lua returns.
func (d *decoder) head(v any) (h revlog.Head) {
	r := d.list(v, 11)
	h.Layout = int(d.int(r[0]))
	d.fixed(h.ID[:], r[1])
	d.fixed(h.Check[:], r[2])
	h.Born, h.N, h.MS = d.int(r[3]), d.int(r[4]), d.int(r[5])
	d.fixed(h.Chain[:], r[6])
	h.Floor = d.int(r[7])
	known := d.position(d.text(r[10]))
	if known.N > math.MaxUint32 {
		d.fail("term out of range")
	}
	h.Known, h.KnownTerm = known.MS, uint32(known.N)
	for _, b := range d.records(r[8], 16) {
		h.Terms = append(h.Terms, revlog.Term{ID: binary.BigEndian.Uint32(b), Start: get6(b[4:]), Opened: get6(b[10:])})
	}
	for _, b := range d.records(r[9], 12) {
		h.Retentions = append(h.Retentions, revlog.Retention{From: get6(b), Retain: d.duration(get6(b[6:]))})
	}
	return h
}

// answer reads the entries that a question found.
func (d *decoder) answer(v any) (a revlog.Answer) {
	for _, found := range d.list(v, 0) {
		a.Found = append(a.Found, d.held(found))
	}
	return a
}

// held reads an entry that packed in exact.lua returns: W (6 bytes), quiet (1), and the entry as
// revlog packs it.
func (d *decoder) held(v any) revlog.Entry {
	b := []byte(d.text(v))
	if len(b) < 7 {
		d.fail("an entry of the exact set has %d bytes", len(b))
		return revlog.Entry{}
	}
	e, rest, ok := revlog.ParsePacked(b[7:])
	if !ok || len(rest) > 0 {
		d.fail("an entry of the exact set has %d bytes", len(b))
	}
	e.W, e.Quiet = get6(b), b[6] == 1
	return e
}

// confirmed reads the reply of confirm.lua.
func (d *decoder) confirmed(v any) revlog.Answer {
	r := d.list(v, 4)
	a := d.answer(r[3])
	a.Head, a.Heartbeat = d.head(r[0]), d.ms(r[1])
	a.Now = max(d.int(r[2]), a.Head.MS)
	return a
}

// written reads the reply to a write.
func (d *decoder) written(v any, q asked) (out revlog.Written) {
	r := d.list(v, 5)
	done := d.int(r[0]) == 1
	out.Head = d.head(r[1])
	heartbeat, now := d.ms(r[2]), d.int(r[3])
	out.Results = d.results(r[4])
	question := q.then
	if !done {
		question = q.unless
	}
	switch {
	case !done && question == nil:
		d.fail("nothing was written, and no reason was given")
	case done && len(out.Results) != q.n:
		d.fail("%d results for %d assertions", len(out.Results), q.n)
	case question != nil && len(r) < 6:
		d.fail("the answer to the question is missing")
	case question != nil:
		a := d.answer(r[5])
		a.Head, a.Heartbeat, a.Now = out.Head, heartbeat, now
		if done {
			a.Now = max(now, out.Head.MS)
			out.Then = a
		} else {
			out.Refused = &a
		}
	}
	return out
}

func (d *decoder) results(v any) (out []revlog.Result) {
	r := d.list(v, 0)
	if len(r)%5 != 0 {
		d.fail("results have %d parts, want a multiple of 5", len(r))
		return nil
	}
	for ; len(r) > 0; r = r[5:] {
		one := revlog.Result{Position: revlog.Position{MS: d.int(r[0]), N: d.int(r[1])}, Changed: d.int(r[2]) == 1, W: d.int(r[3])}
		if r[4] != "" {
			one.Held = d.held(r[4])
		}
		out = append(out, one)
	}
	return out
}

func (d *decoder) position(id string) (p revlog.Position) {
	ms, n, ok := strings.Cut(id, "-")
	if !ok {
		d.fail("not a position")
		return p
	}
	return revlog.Position{MS: d.int(ms), N: d.int(n)}
}

// fillUntil sets Until of entries that end one session. The log leaves it out, because it follows from
// the retention at the time of the entry.
func fillUntil(all []revlog.Entry, h revlog.Head) {
	for i := range all {
		if e := &all[i]; e.Key().Bare() {
			e.Until = e.Position.MS + h.RetainAt(e.Position.MS).Milliseconds()
		}
	}
}

// globals reads the hash of global entries. A field is scope (1 byte) and tag (16). See value.lua for
// its value. The field v keeps the key from disappearing when no entry is left.
func (d *decoder) globals(v any) []revlog.Entry {
	r := d.list(v, 0)
	out := []revlog.Entry{}
	for ; len(r) > 1; r = r[2:] {
		name, value := d.text(r[0]), []byte(d.text(r[1]))
		if name == "v" {
			continue
		}
		for more := true; more; {
			var e revlog.Entry
			if e, value, more = globalEntry(name, value); e.Version == 0 {
				d.fail("a global entry is malformed")
				return nil
			}
			out = append(out, e)
		}
	}
	return out
}

// globalEntry reads the first entry of the value of the global entry name: W (6 bytes), until (6) and
// the proof. It returns an entry without a version if there is none. More entries may follow, each
// after a plus.
func globalEntry(name string, b []byte) (e revlog.Entry, rest []byte, more bool) {
	if len(b) > 0 && b[0] == '+' {
		b = b[1:]
	}
	if len(name) != 17 || len(b) < 14 {
		return e, nil, false
	}
	e, rest, ok := revlog.ParsePacked(slices.Concat(b[12:14], []byte(name), b[14:]))
	if !ok || len(rest) > 0 && rest[0] != '+' {
		return revlog.Entry{}, nil, false
	}
	e.W, e.Until = get6(b), get6(b[6:])
	return e, rest, len(rest) > 0
}
