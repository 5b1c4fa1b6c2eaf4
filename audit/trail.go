package audit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
)

// TrailSize is how many records of each kind a [Trail] keeps.
const TrailSize = 1000

// A Trail keeps the newest records in memory, for people to look at, and hands every record on. Give
// it to everything that takes a handler for records: GET /audit of package admin then shows what this
// process did. It is no log: it is gone when the process ends, and each replica has its own.
//
// It keeps two kinds, [TrailSize] of each: what users do to their own sessions and the targets of a
// RevokeMany, which come in thousands, and everything else, which those must not push out.
//
// It is safe for concurrent use.
type Trail struct {
	kept *kept
	line slog.Handler // formats a record into kept
	next slog.Handler
}

// NewTrail returns a Trail that hands records on to next. Zero: to the handler of slog.Default().
func NewTrail(next slog.Handler) *Trail {
	k := &kept{}
	return &Trail{kept: k, line: slog.NewJSONHandler(k, nil), next: Handler(next, nil)}
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (t *Trail) Format(f fmt.State, _ rune) { io.WriteString(f, "audit.Trail") }

// Newest returns the newest records, newest first, at most n. Each is a line that [Parse] reads,
// without the line break.
func (t *Trail) Newest(n int) [][]byte { return t.kept.newest(n) }

// Enabled implements [slog.Handler].
func (t *Trail) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || t.next.Enabled(ctx, l)
}

// Handle implements [slog.Handler].
func (t *Trail) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == Message && r.Level >= slog.LevelInfo {
		t.kept.write(ctx, t.line, r)
	}
	if !t.next.Enabled(ctx, r.Level) {
		return nil
	}
	return t.next.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler]. The Trail that it returns keeps records in the same place.
func (t *Trail) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Trail{t.kept, t.line.WithAttrs(attrs), t.next.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler]. The group is not in what the Trail keeps: [Parse] would find no
// record in it.
func (t *Trail) WithGroup(name string) slog.Handler {
	return &Trail{t.kept, t.line, t.next.WithGroup(name)}
}

// kept holds the records of one or more Trails.
type kept struct {
	mu   sync.Mutex // owns the fields below
	n    uint64     // records so far
	last []byte     // the line that is being formatted
	rare ring       // of operators and programs
	many ring       // of users, and bulk
}

// A ring holds up to TrailSize lines.
type ring struct {
	lines []numbered
	next  int // the oldest, once the ring is full
}

type numbered struct {
	n    uint64
	line []byte
}

// Write implements [io.Writer] for the handler that formats a record. mu is held.
func (k *kept) Write(line []byte) (int, error) {
	k.last = bytes.TrimSuffix(bytes.Clone(line), []byte("\n"))
	return len(line), nil
}

func (k *kept) write(ctx context.Context, h slog.Handler, r slog.Record) {
	many := false
	r.Attrs(func(a slog.Attr) bool {
		many = many || a.Key == "via" && a.Value.String() == ViaSession || a.Key == "quiet"
		return !many
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	if h.Handle(ctx, r) != nil {
		return
	}
	k.n++
	if many {
		k.many.add(numbered{k.n, k.last})
	} else {
		k.rare.add(numbered{k.n, k.last})
	}
}

func (r *ring) add(l numbered) {
	if len(r.lines) < TrailSize {
		r.lines = append(r.lines, l)
		return
	}
	r.lines[r.next] = l
	r.next = (r.next + 1) % TrailSize
}

func (k *kept) newest(n int) (lines [][]byte) {
	k.mu.Lock()
	all := slices.Concat(k.rare.lines, k.many.lines)
	k.mu.Unlock()
	slices.SortFunc(all, func(a, b numbered) int { return int(b.n) - int(a.n) })
	for _, l := range all[:min(max(n, 0), len(all))] {
		lines = append(lines, l.line)
	}
	return lines
}
