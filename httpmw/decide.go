package httpmw

import (
	"context"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
)

// describe makes the query by which the session is decided, from what its tokens say.
func (o *opened) describe(keys [2]string) {
	t := &o.tok
	o.query = replica.Query{
		Session: t.ID, Subject: t.SubjectTag, GroupTags: t.GroupTags, Groups: t.Groups,
		Keys: keys, Epoch: t.Epoch, Loaded: t.Loaded, Checked: t.Checked, Term: t.Term,
	}
}

// decide asks the list, which asks the store only if it must.
func (c *core) decide(ctx context.Context, o *opened) {
	reached := len(o.asOf) == 0 || c.replica.Reach(ctx, o.asOf)
	o.verdict = c.replica.Decide(&o.query)
	if !reached && o.verdict.Outcome != replica.Refuse {
		o.verdict = replica.Verdict{Reason: replica.Silent} // R35
	}
	if o.asked = o.verdict.Outcome == replica.Ask; o.asked {
		o.verdict = c.replica.Confirm(ctx, &o.query)
	}
	switch o.verdict.Outcome {
	case replica.Accept:
		o.status = alive
		// Nothing up to there matched, so decisions at writes and at commit start from there.
		// Otherwise a session that the store had to be asked about could not be renewed without
		// asking again.
		if o.verdict.Renew {
			o.query.Checked, o.query.Term = o.verdict.Checked, o.verdict.Term
		}
		if o.verdict.Asks != 0 && !o.ending {
			c.answerAsks(ctx, o)
		}
	case replica.Refuse:
		o.why = refusedBy(o.verdict.Reason)
	default:
		o.status, o.why = undecided, ErrUndecided
	}
}

// judge looks at the deadlines of a session that opened, and decides. renewalKey is the key of the
// renewal token that counts.
func (c *core) judge(ctx context.Context, o *opened, renewalKey string, now time.Time) {
	o.tok.Expires = min(o.tok.Expires, o.tok.End)
	switch {
	case now.Unix() >= o.tok.End:
		o.why = ErrExpiredAbsolute
	case now.Unix() >= o.tok.Expires:
		o.why = ErrExpiredIdle
	default:
		c.tagSubject(&o.tok, now)
		o.describe([2]string{o.tok.KeyID, renewalKey})
		c.decide(ctx, o)
	}
	if o.why != nil {
		c.ended.refused(&o.tok, o.why, now)
	}
}
