package httpmw

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/internal/foreign"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// Foreign is for package adopt of this module, which moves in sessions of other systems.
func (m *Manager[T]) Foreign() foreign.Manager {
	c := m.core
	return foreign.Manager{
		App: c.cfg.App, Keys: c.keys, Replica: c.replica, Logger: c.cfg.Logger,
		KeepGroup: func(name string) { c.kept.add(c.replica.Tag(revlog.ScopeGroup, name)) },
	}
}

// Foreign is for package adopt of this module, which moves in sessions of other systems.
func (s *Session[T]) Foreign() foreign.Client { return client{s.st} }

type client struct{ st *hidden }

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (c client) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.client") }

func (c client) Continue(ctx context.Context, p foreign.Session) (continued bool, err error) {
	err = c.st.exclusively(ctx, func() (events []Event, err error) {
		events, err = c.st.continueForeign(ctx, p, time.Now())
		continued = len(events) == 1 && events[0].Kind == foreign.Event
		return events, err
	})
	return continued, err
}

func (c client) AlsoEnds(id token.ID) {
	c.st.read()
	defer c.st.mu.Unlock()
	c.st.alsoEnds(id)
}

func (c client) AtCommit(line func(ends, has bool) string) {
	c.st.read()
	defer c.st.mu.Unlock()
	c.st.atCommit, c.st.came = line, true
}

// aheadOfUs is how far the clock of another system may be ahead.
const aheadOfUs = time.Minute

func (s *state) continueForeign(ctx context.Context, p foreign.Session, now time.Time) ([]Event, error) {
	raw, err := s.core.encode(p.Data)
	if err != nil {
		s.core.note(ctx, ErrData, now)
		return nil, err
	}
	if err := s.changeable(); err != nil {
		return nil, err
	}
	switch {
	case s.hasSubject():
		if p.ID != (token.ID{}) {
			s.alsoEnds(p.ID)
		}
		return nil, s.err() // not nil if something has to be done before the session may be used
	case p.ID == (token.ID{}) || p.Login.Unix() <= 0 || p.Login.After(now.Add(aheadOfUs)):
		s.core.note(ctx, ErrMalformed, now)
		return []Event{{Kind: EventRefused, Err: ErrMalformed, Request: s.request}}, ErrMalformed
	case p.Login.After(now):
		p.Login = now // by a clock that is ahead of ours; the list would not decide about the future
	}
	o, err := s.core.describeForeign(p, now)
	if err != nil {
		s.core.note(ctx, ErrData, now)
		return nil, err
	}
	s.mayEnd(&o, now)
	o.tok.Data = raw // from before what entries ask for
	if now.Unix() >= o.tok.End {
		o.why = ErrExpiredAbsolute
	} else {
		s.core.decide(ctx, &o)
	}
	if o.status != alive {
		return s.refuseForeign(ctx, &o, now)
	}
	previous := s.sid()
	o.tok.Checked, o.tok.Term = o.query.Checked, o.query.Term
	if err := s.replace(&o, now); err != nil {
		s.core.note(ctx, ErrData, now)
		return nil, err
	}
	return []Event{s.event(foreign.Event, previous)}, nil
}

// refuseForeign notes a session of another system that is refused or undecided, and returns why.
func (s *state) refuseForeign(ctx context.Context, o *opened, now time.Time) ([]Event, error) {
	s.core.note(ctx, o.why, now)
	e := Event{Kind: EventRefused, Session: o.tok.ID.String(), Subject: string(o.tok.Subject), Err: o.why, Request: s.request}
	switch {
	case o.status == undecided: // it may be a living session, so nothing is written over it
		s.opened = *o
		s.version++
	case s.status == none:
		s.opened = opened{why: o.why}
	}
	return []Event{e}, o.why
}

// describeForeign returns the session that continues p, as the list has to be asked about it.
func (c *core) describeForeign(p foreign.Session, now time.Time) (opened, error) {
	id := Identity{Subject: p.Subject, Groups: p.Groups, Methods: p.Methods, Until: p.Until, Remember: p.Remember}
	limits, err := c.limitsFor(id)
	if err != nil {
		return opened{}, err
	}
	o, err := c.identify(id, limits, p.Login)
	if err != nil {
		return opened{}, err
	}
	if err := o.join(c.replica.Tag(revlog.ScopeGroup, p.Group)); err != nil {
		return opened{}, err
	}
	o.status = none
	o.tok.ID = p.ID
	o.tok.IssuedAt = now.Unix()
	o.tok.Expires = min(now.Unix()+seconds(limits.Idle), o.tok.End)
	// Nothing revoked before Began can concern it. The term is zero, since no list has checked this
	// session yet: the store is asked about it, and the window never decides.
	login := o.tok.AuthTime * 1000
	o.begin(replica.Start{Epoch: login, Checked: max(login, p.Began.UnixMilli())})
	return o, nil
}

// keptGroups are groups that SetGroups keeps.
type keptGroups struct {
	mu   sync.Mutex // owns tags
	tags []revlog.Tag
}

func (g *keptGroups) add(tag revlog.Tag) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tags = append(g.tags, tag)
}

// keep puts next into those of its predecessor's groups that are kept: a session of another system
// still rests on that system's credential, and ends with its group.
func (g *keptGroups) keep(next *opened, had []revlog.Tag) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, tag := range had {
		if slices.Contains(g.tags, tag) {
			if err := next.join(tag); err != nil {
				return err
			}
		}
	}
	return nil
}
