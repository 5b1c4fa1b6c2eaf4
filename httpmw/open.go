package httpmw

import (
	"bytes"
	"context"
	"time"

	"github.com/wafer-sessions/wafer/token"
)

// enter opens and checks what came in a request. No other goroutine has s yet.
func (c *core) enter(ctx context.Context, s *state, fields []string, now time.Time) {
	var f found
	s.entered = now
	if len(fields) > 0 {
		c.cookie.scan(fields, &f)
	}
	s.anonymous, s.more, s.chunks = f.anonymous.n > 0, f.session.more, f.chunks
	s.came = f.session.n > 0 || f.renewal.n > 0 || s.anonymous || s.chunks != nil // logout will expire it
	s.takeMarkers(&f.session)
	s.bulk = f.session.size() + f.chunks.size(c.cookie.session)
	c.pick(ctx, s, &s.opened, &f.session, &f, now)
	if s.status == alive { // which leaves nothing to look for, nor to tell
		c.count.accept(now)
		return
	}
	refused := s.refusal()
	if s.status == none && f.anonymous.n > 0 {
		c.enterAnonymous(ctx, s, &f, now)
		if refused.Kind == "" {
			refused = s.refusal()
		}
	}
	c.report(ctx, s, refused, now)
}

// enterAnonymous opens and checks an anonymous session where nobody is logged in.
func (c *core) enterAnonymous(ctx context.Context, s *state, f *found, now time.Time) {
	if s.why == nil {
		if c.pick(ctx, s, &s.opened, &f.anonymous, f, now); s.overtaken(&s.opened) {
			s.opened = opened{}
		}
		return
	}
	var o opened // beside a session cookie that was refused
	if c.pick(ctx, s, &o, &f.anonymous, f, now); o.status != none && !s.overtaken(&o) {
		s.opened = o
	}
}

// refusal returns the event of a session that was refused or is undecided. Its Kind is "" if there
// is none.
func (s *state) refusal() (e Event) {
	if s.why == nil {
		return e
	}
	e = Event{Kind: EventRefused, Subject: string(s.tok.Subject), Err: s.err(), Request: s.request}
	if s.tok.ID != (token.ID{}) {
		e.Session = s.tok.ID.String()
	}
	return e
}

// report counts the outcome, and tells the application of a refusal.
func (c *core) report(ctx context.Context, s *state, refused Event, now time.Time) {
	switch {
	case s.status == alive:
		c.count.accept(now)
	case refused.Kind == "":
		c.count.anonymous.Add(1)
	}
	if refused.Kind != "" {
		c.note(ctx, refused.Err, now)
		c.tell(ctx, refused)
	}
}

// open opens a session token from a cookie of that name, finds the renewal token that belongs to
// it, and decides. If there is no session, o.why says why.
func (c *core) open(ctx context.Context, o *opened, compact, name string, f *found, now time.Time) {
	// One buffer for both tokens, cut so that neither reaches into the other's part. What is too
	// long is refused before anything is read.
	var own, others []byte
	if n := len(compact); n <= token.MaxLength {
		buf := make([]byte, n+f.renewalRoom())
		own, others = buf[:n:n], buf[n:]
	}
	if err := c.sealer.OpenSession(own, compact, &o.tok, now); err != nil {
		o.why = c.unopened(err)
		return
	}
	if string(o.tok.Audience) != c.cfg.App && !c.gather(o, name, f.chunks, now) {
		return
	}
	o.sealed = o.tok.IssuedAt
	if !c.bounded(&o.tok, now) {
		o.why = ErrOutOfBounds
		return
	}
	c.judge(ctx, o, c.readRenewal(o, others, f, now), now)
}

// unopened returns why a token did not open. If its key is unknown, it also starts to look for the
// key.
func (c *core) unopened(err error) error {
	if err = tokenError(err); err == ErrUnknownKey {
		c.lookForKey()
	}
	return err
}

// readRenewal applies the reading rule: the Validity of a renewal token counts if the token is of
// the same session and the same loading of its data, its key is good, its times are within bounds and
// it is no older than the session token. The two are never mixed. It returns the id of the renewal
// token's key, "" if none counts.
func (c *core) readRenewal(o *opened, buf []byte, f *found, now time.Time) (kid string) {
	var r token.Renewal
	for _, compact := range f.renewal.all() {
		if len(compact) > cap(buf) {
			continue // longer than any we ever wrote
		}
		if err := c.sealer.OpenRenewal(buf, compact, &r, now); err != nil {
			c.unopened(err)
			continue
		}
		if r.ID == o.tok.ID && r.Loaded == o.tok.Loaded && r.IssuedAt >= o.tok.IssuedAt && c.boundedRenewal(&r, now) {
			o.tok.Validity, o.renewed, kid = r.Validity, true, r.KeyID
		}
	}
	return kid
}

// maxRenewalToken bounds the renewal tokens that are looked at, in bytes. They have about 250.
const maxRenewalToken = 1024

// renewalRoom returns how much space the longest renewal token needs to be opened.
func (f *found) renewalRoom() (n int) {
	for _, s := range f.renewal.all() {
		if len(s) <= maxRenewalToken {
			n = max(n, len(s))
		}
	}
	return n
}

// pick opens what came in cookies of one name and takes the session that is alive; of several, the
// one that began last. Under a Domain, where any neighbouring host can plant a cookie, two sessions
// of different subjects are both refused, and so are more cookies than are looked at. Otherwise an
// attacker could plant a cookie and have the user work in the attacker's account.
func (c *core) pick(ctx context.Context, s *state, best *opened, from *values, f *found, now time.Time) {
	ambiguous := c.cfg.Domain != "" && from.more
	if from.n == 1 && !ambiguous {
		c.openIn(ctx, s, best, from.of[0], from == &f.anonymous, f, now)
		return
	}
	for _, compact := range from.all() {
		var o opened
		c.openIn(ctx, s, &o, compact, from == &f.anonymous, f, now)
		if c.cfg.Domain != "" && o.status != none && best.status != none && !bytes.Equal(o.tok.Subject, best.tok.Subject) {
			ambiguous = true
		}
		if o.better(best) {
			*best = o
		}
	}
	if ambiguous {
		*best = opened{why: ErrAmbiguous}
	}
}

// openIn opens a token from a session cookie or an anonymous one. Either cookie must hold only what
// belongs in it.
func (c *core) openIn(ctx context.Context, s *state, o *opened, compact string, anonymous bool, f *found, now time.Time) {
	name := c.cookie.session
	if anonymous {
		name = c.cookie.anonymous
	}
	o.asOf = s.asOf()
	c.open(ctx, o, compact, name, f, now)
	if o.tok.ID != (token.ID{}) && listed(&o.tok) == anonymous {
		*o = opened{why: ErrMalformed}
	}
	s.record(o, now)
}

// better orders duplicates: alive, undecided, opened, not opened; then by when the session began,
// then by when its token was sealed. Of equals the first stays.
func (o *opened) better(than *opened) bool {
	if than.why == nil && than.status == none {
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
	return o.sealed > than.sealed
}
