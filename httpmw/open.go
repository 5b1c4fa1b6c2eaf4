package httpmw

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// enter opens and decides what came in a request. Nobody else has s yet.
func (c *core) enter(ctx context.Context, s *state, fields []string, now time.Time) {
	var f found
	s.entered = now
	if len(fields) > 0 {
		c.cookie.scan(fields, &f)
	}
	s.session, s.anonymous = f.session.trace(), f.anonymous.trace()
	s.came = f.seens > 0 || s.session != (trace{}) || s.anonymous != (trace{}) // logout will expire it
	s.takeMarkers(&f.session)
	s.bulk = f.session.size()
	c.pick(ctx, s, &s.opened, &f.session, &f, now)
	if s.status == alive { // which leaves nothing to look for, nor to tell
		c.count.accepted.Add(1)
		return
	}
	refused := s.refusal()
	if s.status == none && f.anonymous.heads > 0 {
		c.enterAnonymous(ctx, s, &f, now)
		if refused.Kind == "" {
			refused = s.refusal()
		}
	}
	c.settle(ctx, s, refused, now)
}

// enterAnonymous opens and decides an anonymous session, where nobody is logged in.
func (c *core) enterAnonymous(ctx context.Context, s *state, f *found, now time.Time) {
	if s.reason == "" {
		if c.pick(ctx, s, &s.opened, &f.anonymous, f, now); s.overtaken(&s.opened) {
			s.opened = opened{}
		}
		return
	}
	var o opened // beside a session cookie that was refused
	if c.pick(ctx, s, &o, &f.anonymous, f, now); o.status != none && !s.overtaken(&o) {
		s.become(&o)
	}
}

// refusal returns the event of a session that was refused or is undecided, with no kind if there is none.
func (s *state) refusal() (e Event) {
	if s.reason == "" {
		return e
	}
	e = Event{Kind: EventRefused, Subject: string(s.tok.Subject), Reason: s.reason, Err: s.err(), Request: s.request}
	if s.tok.ID != (token.ID{}) {
		e.Session = s.tok.ID.String()
	}
	return e
}

// settle counts the outcome, and tells the application of a refusal.
func (c *core) settle(ctx context.Context, s *state, refused Event, now time.Time) {
	switch {
	case s.status == alive:
		c.count.accepted.Add(1)
	case refused.Kind == "":
		c.count.anonymous.Add(1)
	}
	if refused.Kind != "" {
		c.note(ctx, refused.Reason, now)
		c.tell(ctx, refused)
	}
}

// open opens one session token, finds the seen token that belongs to it, and decides. Every step leaves in o why
// there is no session, if there is none.
func (c *core) open(ctx context.Context, o *opened, compact string, from *pieces, f *found, now time.Time) {
	// One buffer for both tokens, cut so that neither reaches into the other's part. What is too long is refused
	// before anything is read.
	var own, others []byte
	if n := len(compact); n <= token.MaxLength {
		buf := make([]byte, n+f.seenRoom())
		own, others = buf[:n:n], buf[n:]
	}
	if err := c.sealer.OpenSession(own, compact, &o.tok, now); err != nil {
		c.unopened(o, err)
		return
	}
	switch {
	case string(o.tok.Audience) == c.cfg.App:
	case !c.isPiece(&o.tok):
		o.tok = token.Session{}
		o.reason = ReasonWrongAudience
		return
	case !c.gather(o, from, now):
		o.tok.Data = nil
		o.reason = ReasonIncomplete
		return
	default:
		o.tok.Audience = []byte(c.cfg.App)
	}
	o.ownDeadlines()
	c.judge(ctx, o, c.readSeen(o, others, f, now), now)
}

// ownDeadlines makes the session token's own exp, chk and ln the effective ones.
func (o *opened) ownDeadlines() {
	o.iat, o.exp, o.chk, o.line = o.tok.IssuedAt, min(o.tok.Expires, o.tok.End), o.tok.Checked, o.tok.Line
}

// judge looks at the deadlines of a session that opened, and decides. seenKey is the key of the seen token that counts.
func (c *core) judge(ctx context.Context, o *opened, seenKey string, now time.Time) {
	switch {
	case !c.bounded(&o.tok, now):
		o.reason = ReasonOutOfBounds
	case now.Unix() >= o.tok.End:
		o.reason = ReasonExpiredAbsolute
	case now.Unix() >= o.exp:
		o.reason = ReasonExpiredIdle
	default:
		o.ask(c, seenKey, now)
		c.decide(ctx, o)
	}
}

// unopened notes why a token did not open.
func (c *core) unopened(o *opened, err error) {
	o.reason = tokenReason(err)
	if o.reason == ReasonUnknownKey {
		c.lookForKey()
	}
}

// readSeen applies the reading rule: the effective exp, chk and ln are those of the seen token if it is of the
// same session, its key is good, its times are within bounds and it is no older; never a mixture; never beyond end.
// It returns the id of that token's key, "" if none counts.
func (c *core) readSeen(o *opened, buf []byte, f *found, now time.Time) (kid string) {
	var seen token.Seen
	for _, compact := range f.seen[:f.seens] {
		if len(compact) > cap(buf) {
			continue // longer than any we ever wrote
		}
		if err := c.sealer.OpenSeen(buf, compact, &seen, now); err != nil {
			if tokenReason(err) == ReasonUnknownKey {
				c.lookForKey()
			}
			continue
		}
		if seen.ID == o.tok.ID && seen.IssuedAt >= o.iat && c.boundedSeen(&seen, now) {
			o.iat, o.exp, o.chk, o.line = seen.IssuedAt, min(seen.Expires, o.tok.End), seen.Checked, seen.Line
			o.seen, kid = seen.IssuedAt, seen.KeyID
		}
	}
	return kid
}

// trace returns what came of a cookie.
func (p *pieces) trace() (t trace) {
	t.head, t.more = p.heads > 0, p.more
	for i, n := range p.tails {
		t.tails[i] = n > 0
	}
	return t
}

// size returns how many bytes came of a cookie.
func (p *pieces) size() (n int) {
	for _, v := range p.head[:p.heads] {
		n += len(v)
	}
	for i := range p.tail {
		for _, v := range p.tail[i][:p.tails[i]] {
			n += len(v)
		}
	}
	return n
}

// maxSeenToken bounds the renewal tokens that are looked at, in bytes; they have about 250.
const maxSeenToken = 1024

// seenRoom returns how much space the longest seen token needs to be opened.
func (f *found) seenRoom() (n int) {
	for _, s := range f.seen[:f.seens] {
		if len(s) <= maxSeenToken {
			n = max(n, len(s))
		}
	}
	return n
}

// ask prepares the question to the list.
func (o *opened) ask(c *core, seenKey string, now time.Time) {
	for i, g := range o.tok.GroupTags[:o.tok.Groups] {
		o.groups[i] = revlog.Tag(g)
	}
	c.tagSubject(&o.tok, now)
	o.query = replica.Query{
		Session: o.tok.ID, Subject: revlog.Tag(o.tok.SubjectTag), Groups: o.groups[:o.tok.Groups],
		Keys: [2]string{o.tok.KeyID, seenKey}, Epoch: o.tok.Epoch, Checked: o.chk, Term: o.line,
	}
}

// decide asks the list, which asks the store only if it must.
func (c *core) decide(ctx context.Context, o *opened) {
	o.verdict = c.replica.Decide(&o.query)
	if o.asked = o.verdict.Outcome == replica.Ask; o.asked {
		o.verdict = c.replica.Confirm(ctx, &o.query)
	}
	switch o.verdict.Outcome {
	case replica.Accept:
		o.status = alive
		// Nothing up to there matched, so the decisions at writes and at commit go on from there. Else a session that
		// had to be asked about could not be renewed without asking again.
		if o.verdict.Renew {
			o.query.Checked, o.query.Term = o.verdict.Checked, o.verdict.Term
		}
	case replica.Refuse:
		o.reason = listReason(o.verdict.Reason)
	default:
		o.status, o.reason = undecided, ReasonUndecided
	}
}

// pick opens what came of one cookie and takes the session that lives; of several, the one begun last. Under a Domain,
// where any neighbouring host can plant a cookie, two of different subjects are none, nor is one among more than are
// looked at: otherwise whoever planted them would have the user work in the attacker's account.
func (c *core) pick(ctx context.Context, s *state, best *opened, from *pieces, f *found, now time.Time) {
	ambiguous := c.cfg.Domain != "" && from.more
	if from.heads == 1 && !ambiguous {
		c.openIn(ctx, s, best, from.head[0], from, f, now)
		return
	}
	for _, compact := range from.head[:from.heads] {
		var o opened
		c.openIn(ctx, s, &o, compact, from, f, now)
		if c.cfg.Domain != "" && o.status != none && best.status != none && !bytes.Equal(o.tok.Subject, best.tok.Subject) {
			ambiguous = true
		}
		if o.better(best) {
			best.become(&o)
		}
	}
	if ambiguous {
		*best = opened{reason: ReasonAmbiguous}
	}
}

// openIn opens a session token of one of the two cookies, which holds only what belongs in it: sessions of somebody, or
// of nobody.
func (c *core) openIn(ctx context.Context, s *state, o *opened, compact string, from *pieces, f *found, now time.Time) {
	c.open(ctx, o, compact, from, f, now)
	if o.tok.ID != (token.ID{}) && listed(&o.tok) == (from == &f.anonymous) {
		*o = opened{reason: ReasonMalformed}
	}
	s.record(o, now)
}

// better orders what duplicates turned out to be: living, undecided, opened, not opened; then by when the session
// began, then by when its token was sealed. Of equals the first stays.
func (o *opened) better(than *opened) bool {
	if than.reason == "" && than.status == none {
		return true
	}
	rank := func(o *opened) int {
		if o.status == none && o.tok.ID != (token.ID{}) {
			return 0
		}
		return int(o.status)*2 - 1
	}
	if a, b := rank(o), rank(than); a != b {
		return a > b
	}
	if o.tok.Epoch != than.tok.Epoch {
		return o.tok.Epoch > than.tok.Epoch
	}
	return o.tok.IssuedAt > than.tok.IssuedAt
}

// lookup bounds the looks for an unknown key to one at a time. The source bounds how often they do anything.
type lookup struct{ running atomic.Bool }

const lookupTimeout = 10 * time.Second

func (c *core) lookForKey() {
	if !c.look.running.CompareAndSwap(false, true) {
		return
	}
	c.count.lookups.Add(1)
	go func() {
		defer c.look.running.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
		defer cancel()
		if err := c.keys.Refresh(ctx); err != nil {
			c.cfg.Logger.Debug("looking for an unknown key failed", "app", c.cfg.App, "error", err.Error())
		}
	}()
}
