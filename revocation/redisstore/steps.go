package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Create implements [revlog.Store]. Joining a list begins with Create, so Create examines a server
// that did not answer Open.
func (s *Store) Create(ctx context.Context, f revlog.CreateOptions) (revlog.Head, error) {
	if err := s.admitLate(ctx); err != nil {
		return revlog.Head{}, err
	}
	reply, err := s.run(ctx, s.scripts.create, f.ID[:], f.Check[:], f.Floor, f.Retain.Milliseconds())
	if err != nil {
		return revlog.Head{}, err
	}
	d := decoder{}
	head := d.head(reply)
	return head, d.err
}

// Confirm implements [revlog.Store].
func (s *Store) Confirm(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
	reply, err := s.run(ctx, s.scripts.confirm, q.List[:], appendQuestion(nil, q))
	if err != nil {
		return revlog.Answer{}, err
	}
	d := decoder{}
	a := d.confirmed(reply)
	return a, d.err
}

// pageLimit is the highest number of entries in one read. More would block the server for
// milliseconds.
const pageLimit = 4096

// Read implements [revlog.Store]. Plain commands are enough for most reads, see poll. Otherwise a
// script reads the head, and XRANGE reads the entries right after it on the same connection: a
// script that returns entries costs the server five times as much as XRANGE. Entries that were
// added in between are left to the next read. If head and entries do not fit together, as after a
// loss in between, one script reads both.
func (s *Store) Read(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
	limit := min(c.Limit, pageLimit)
	if p, ok, err := s.poll(ctx, c, limit); ok || err != nil {
		return p, err
	}
	sent := time.Now()
	pipe := s.client.Pipeline()
	head := s.scripts.read.EvalSha(ctx, pipe, s.keys, named(c.List), c.Floor, c.From.String(), 0, flag(c.Globals))
	count := s.itemsFor(limit)
	log := pipe.Do(ctx, "xrange", s.keys[1], c.From.String(), "+", "count", count) // XRangeN would make a map of each item
	pipe.Exec(ctx)                                                                 // each command has its own error
	reply, err := head.Result()
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		return s.page(ctx, c, limit)
	} else if err != nil {
		return revlog.Page{}, s.mapped(err)
	}
	items, err := log.Slice()
	if err != nil {
		return revlog.Page{}, s.mapped(err)
	}
	d := decoder{}
	p := d.page(reply)
	s.take(&d, &p, items, c.From, limit, count)
	if d.err != nil {
		return revlog.Page{}, d.err
	}
	p.Clock = s.clock.now(p.Clock, sent)
	end := c.From.N - 1
	if n := len(p.Entries); n > 0 {
		end = p.Entries[n-1].Position.N
	}
	if !p.More && end < p.Head.N {
		return s.page(ctx, c, min(limit, atomicLimit))
	}
	fillUntil(p.Entries, p.Head)
	return p, nil
}

const atomicLimit = 512 // the highest number of entries that one script returns

// page reads head and entries in one step.
func (s *Store) page(ctx context.Context, c revlog.Cursor, limit int) (revlog.Page, error) {
	count := s.itemsFor(limit)
	sent := time.Now()
	reply, err := s.run(ctx, s.scripts.read, named(c.List), c.Floor, c.From.String(), count, flag(c.Globals))
	if err != nil {
		return revlog.Page{}, err
	}
	d := decoder{}
	p := d.page(reply)
	s.take(&d, &p, d.list(reply, 6)[2], c.From, limit, count)
	fillUntil(p.Entries, p.Head)
	p.Clock = s.clock.now(p.Clock, sent)
	return p, d.err
}

// page reads the reply of read.lua without its entries. Clock is that of the server when it replied.
func (d *decoder) page(reply any) (p revlog.Page) {
	r := d.list(reply, 6)
	p.Head, p.Heartbeat = d.head(r[0]), d.ms(r[1])
	if r[3] != "" {
		p.Oldest = d.oldest(r[3])
	}
	p.Clock, p.Roll = d.int(r[4]), d.int(r[5])
	if len(r) > 6 {
		p.Globals = d.globals(r[6])
	}
	return p
}

// Write implements [revlog.Store].
func (s *Store) Write(ctx context.Context, w revlog.Write) (revlog.Written, error) {
	switch w := w.(type) {
	case revlog.Append:
		return s.write(ctx, s.scripts.append, w.Ack, asked{n: len(w.Assertions)}, w.List[:], w.Floor, w.Skew.Milliseconds(),
			appendAssertions(nil, w.Assertions), number(w.Request))
	case revlog.Succession:
		return s.write(ctx, s.scripts.succeed, w.Ack, asked{len(w.Assertions), &w.Unless, &w.Then}, w.List[:], w.Floor, w.Skew.Milliseconds(),
			appendAssertions(nil, w.Assertions), number(w.Request), appendQuestion(nil, w.Unless), appendQuestion(nil, w.Then))
	case revlog.Repair:
		return s.write(ctx, s.scripts.repair, revlog.Ack{}, asked{n: len(w.Assertions)}, w.List[:], w.Floor,
			appendAssertions(nil, w.Assertions), w.Known, w.KnownTerm, w.Born, w.Retain.Milliseconds(), flag(w.Recheck))
	case revlog.Bulk:
		return s.write(ctx, s.scripts.bulk, w.Ack, asked{n: len(w.Assertions)}, w.List[:], w.Floor, w.Skew.Milliseconds(),
			appendAssertions(nil, w.Assertions), flag(w.Recheck))
	}
	return revlog.Written{}, fmt.Errorf("redisstore: unknown type of write %T", w)
}

// asked says what the reply to a write must hold: results of n assertions, and an answer to one of
// two questions.
type asked struct {
	n            int
	unless, then *revlog.Question
}

func (s *Store) write(ctx context.Context, script *redis.Script, ack revlog.Ack, q asked, args ...any) (out revlog.Written, err error) {
	var reply any
	var replicas int
	if ack.Replicas > 0 {
		reply, replicas, err = s.runAcked(ctx, script, ack, args...)
	} else {
		reply, err = s.run(ctx, script, args...)
	}
	if err != nil {
		return revlog.Written{}, err
	}
	d := decoder{}
	out = d.written(reply, q)
	out.Replicas = replicas
	if d.err == nil && out.Refused != nil {
		if found, _ := out.Refused.Judge(*q.unless); found == revlog.FoundNothing {
			return revlog.Written{}, errors.New("redisstore: malformed reply: it refuses a succession for a revocation that does not apply")
		}
	}
	return out, d.err
}

// Turn implements [revlog.Store].
func (s *Store) Turn(ctx context.Context, holder string, keep time.Duration) (bool, error) {
	reply, err := s.scripts.turn.Run(ctx, s.client, []string{s.prefix + "turn"}, holder, keep.Milliseconds()).Int()
	return reply == 1, s.mapped(err)
}

// number returns the number of a write as scripts take it, empty if the write has none.
func number(r revlog.Request) []byte {
	if r == (revlog.Request{}) {
		return []byte{}
	}
	return r[:]
}

// named returns the list id as scripts take it, empty for the list that the server holds.
func named(l revlog.ListID) []byte {
	if l == (revlog.ListID{}) {
		return []byte{}
	}
	return l[:]
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return ""
}
