package redisstore

import (
	"context"
	"errors"

	"github.com/wafer-sessions/wafer/revocation"
)

// Create implements [revocation.Store].
func (s *Store) Create(ctx context.Context, f revocation.Founding) (revocation.Head, error) {
	reply, err := s.run(ctx, s.scripts.create, f.Genesis[:], f.Check[:], f.Floor, f.Retain.Milliseconds())
	if err != nil {
		return revocation.Head{}, err
	}
	d := decoder{}
	head := d.head(reply)
	return head, d.err
}

// Confirm implements [revocation.Store].
func (s *Store) Confirm(ctx context.Context, q revocation.Question) (revocation.Answer, error) {
	reply, err := s.run(ctx, s.scripts.confirm, q.List[:], appendQuestion(nil, q))
	if err != nil {
		return revocation.Answer{}, err
	}
	d := decoder{}
	r := d.list(reply, 4)
	a := d.answer(r[3])
	a.Head, a.Beat = d.head(r[0]), d.ms(r[1])
	a.Now = max(d.int(r[2]), a.Head.MS)
	return a, d.err
}

const (
	scriptPage = 256  // entries that a script returns at most
	plainPage  = 4096 // entries of one XRANGE
)

// Read implements [revocation.Store]. A page that a script would take long over
// is read by plain XRANGE instead, and the script then reads on from the last
// entry, so that both are known to be of one log.
func (s *Store) Read(ctx context.Context, c revocation.Cursor) (revocation.Page, error) {
	limit := min(c.Limit, scriptPage)
	p, err := s.page(ctx, c, c.From, limit)
	if err != nil || !p.More || c.Limit <= limit || len(p.Entries) == 0 {
		return p, err
	}
	last := p.Entries[len(p.Entries)-1]
	next := revocation.Position{MS: last.Position.MS, N: last.Position.N + 1}
	rest, err := s.client.XRangeN(ctx, s.keys[1], next.String(), "+", int64(min(c.Limit-limit, plainPage))).Result()
	if err != nil {
		return revocation.Page{}, mapped(err)
	}
	if len(rest) == 0 {
		return p, nil // trimmed meanwhile: the next read tells
	}
	d := decoder{}
	for _, m := range rest {
		p.Entries = append(p.Entries, d.fields(m.ID, m.Values["e"]))
	}
	if d.err != nil {
		return revocation.Page{}, d.err
	}
	last = p.Entries[len(p.Entries)-1]
	end, err := s.page(ctx, c, last.Position, 1)
	if err != nil {
		return revocation.Page{}, err
	}
	if len(end.Entries) != 1 || end.Entries[0].Position != last.Position || end.Entries[0].Chain != last.Chain {
		return revocation.Page{}, errors.New("redisstore: the log changed while it was read")
	}
	p.Head, p.More, p.Beat = end.Head, end.More, end.Beat
	fillUntil(p.Entries, p.Head)
	return p, nil
}

// page runs the script that reads.
func (s *Store) page(ctx context.Context, c revocation.Cursor, from revocation.Position, limit int) (p revocation.Page, _ error) {
	marks := ""
	if c.Marks {
		marks = "1"
	}
	// One more than asked for tells whether there is more.
	reply, err := s.run(ctx, s.scripts.read, c.List[:], c.Floor, from.String(), limit+1, marks)
	if err != nil {
		return p, err
	}
	d := decoder{}
	r := d.list(reply, 4)
	p.Head, p.Beat = d.head(r[0]), d.ms(r[1])
	for _, item := range d.list(r[2], 0) {
		p.Entries = append(p.Entries, d.entry(item))
	}
	if len(p.Entries) > limit {
		p.Entries, p.More = p.Entries[:limit], true
	}
	if oldest := d.text(r[3]); oldest != "" {
		p.Oldest = d.position(oldest)
	}
	if len(r) > 4 {
		p.Marks = d.marks(r[4])
	}
	fillUntil(p.Entries, p.Head)
	return p, d.err
}

// Write implements [revocation.Store].
func (s *Store) Write(ctx context.Context, b revocation.Batch) (out revocation.Written, err error) {
	args := []any{
		b.List[:], b.Floor, b.Skew.Milliseconds(), appendAssertions(nil, b.Assertions), question(b.Unless), question(b.Then),
		b.Born, b.Retain.Milliseconds(), flag(b.Recheck), flag(b.Quiet),
	}
	var reply any
	if b.Ack.Replicas > 0 {
		reply, out.Replicas, err = s.runAcked(ctx, s.scripts.write, b.Ack, args...)
	} else {
		reply, err = s.run(ctx, s.scripts.write, args...)
	}
	if err != nil {
		return revocation.Written{}, err
	}
	d := decoder{}
	r := d.list(reply, 5)
	out.Done, out.Head = d.int(r[0]) == 1, d.head(r[1])
	beat, now := d.ms(r[2]), d.int(r[3])
	out.Results = d.results(r[4])
	var a revocation.Answer
	if len(r) > 5 {
		a = d.answer(r[5])
		a.Head, a.Beat, a.Now = out.Head, beat, now
	}
	switch {
	case !out.Done:
		out.Unless = a
		if found, _ := a.Judge(*b.Unless); found == revocation.FoundNothing {
			return revocation.Written{}, errors.New("redisstore: the script and this program judge differently")
		}
	case b.Then != nil:
		a.Now = max(now, out.Head.MS)
		out.Then = a
	}
	if out.Done && len(out.Results) != len(b.Assertions) {
		d.fail("%d results of %d assertions", len(out.Results), len(b.Assertions))
	}
	return out, d.err
}

func question(q *revocation.Question) []byte {
	if q == nil {
		return []byte{}
	}
	return appendQuestion(nil, *q)
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return ""
}
