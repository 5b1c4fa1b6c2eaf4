package httpmw

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/token"
)

// Check opens and checks a bearer token from Issue. It accepts nothing else: a cookie is not a
// bearer token. It returns the session only if somebody is logged in. Otherwise the error is the
// one that Session.Err would return, such as ErrUndecided, and ErrNoLogin if token is "".
//
// The session cannot be changed, only read, watched and logged out: everything else returns
// ErrCommitted.
func (m *Manager[T]) Check(ctx context.Context, token string) (*Session[T], error) {
	if token == "" {
		return nil, ErrNoLogin
	}
	now := time.Now()
	st := &state{core: m.core, committed: true}
	m.core.openBearer(ctx, &st.opened, token, now)
	return m.checked(ctx, st, now)
}

// CheckCookies is Check for the values of the session cookie and the renewal cookie that came over
// another transport than HTTP. renewal may be "". It accepts no bearer token. The error is
// ErrNoLogin for the marker of a logout, and ErrIncomplete for one of several cookies over which a
// large session is spread.
func (m *Manager[T]) CheckCookies(ctx context.Context, session, renewal string) (*Session[T], error) {
	if _, out := parseMarker(session); out || session == "" {
		return nil, ErrNoLogin
	}
	var f found
	if renewal != "" {
		f.renewal.add(renewal)
	}
	now := time.Now()
	st := &state{core: m.core, committed: true}
	m.core.open(ctx, &st.opened, session, m.core.cookie.session, &f, now)
	return m.checked(ctx, st, now)
}

// checked counts the outcome of a check and returns the session if somebody is logged in.
func (m *Manager[T]) checked(ctx context.Context, st *state, now time.Time) (*Session[T], error) {
	st.record(&st.opened, now)
	m.core.report(ctx, st, st.refusal(), now)
	switch {
	case st.status != alive:
		return nil, st.err()
	case len(st.tok.Subject) == 0:
		return nil, ErrNoLogin
	}
	return &Session[T]{&hidden{st}}, nil
}

// openBearer opens a bearer token and decides.
func (c *core) openBearer(ctx context.Context, o *opened, compact string, now time.Time) {
	if err := c.sealer.OpenBearer(nil, compact, &o.tok, now); err != nil {
		o.why = c.unopened(err)
		return
	}
	if string(o.tok.Audience) != c.cfg.App {
		*o = opened{why: ErrWrongAudience}
		return
	}
	if !c.bounded(&o.tok, now) {
		o.why = ErrOutOfBounds
		return
	}
	c.judge(ctx, o, "", now)
}

// Issue begins a session of id without HTTP and returns its bearer token, which Check accepts and
// which is not a cookie. It is never renewed and lives for ttl, at most the list's MaxIdle and the
// ring's MaxSession; zero: Config.Idle. It is revoked like any session, by its id, subject and
// groups. Identity.Remember has no meaning here and is refused.
func (m *Manager[T]) Issue(ctx context.Context, id Identity, data T, ttl time.Duration) (string, error) {
	c := m.core
	if ttl == 0 {
		ttl = c.cfg.Idle
	}
	longest := min(c.replica.MaxIdle(), c.keys.Ring().MaxSession())
	switch {
	case ttl < time.Second || ttl > longest:
		return "", fmt.Errorf("%w: a bearer token may live from 1 s to %v, not %v", ErrIdentity, longest, ttl)
	case id.Remember:
		return "", fmt.Errorf("%w: a bearer token cannot be remembered: leave Remember unset", ErrIdentity)
	}
	raw, err := c.encode(data)
	if err != nil {
		return "", err
	}
	now := time.Now()
	if err := c.sealable(now); err != nil {
		return "", err
	}
	o, err := c.identify(id, Limits{ttl, ttl}, now)
	if err != nil {
		return "", err
	}
	o.tok.Data = raw
	start, err := c.replica.Begin(ctx, replica.Login{
		Subject: o.tok.SubjectTag, Groups: o.groups(), Since: id.Since.LogTime(),
	})
	if err != nil {
		return "", listError(err)
	}
	o.begin(start)
	if v := c.replica.Decide(&o.query); v.Outcome == replica.Refuse {
		return "", refusedBy(v.Reason)
	}
	value, err := c.sealer.SealBearer(nil, &o.tok, now)
	if errors.Is(err, token.ErrTooLarge) {
		return "", c.tokenTooLarge(&o.tok, now)
	}
	if err != nil {
		return "", c.unsealed(err, now)
	}
	c.count.logins.Add(1)
	c.count.sizes[bearerToken].Record(float64(len(value)))
	c.tell(ctx, Event{Kind: EventLogin, Session: o.tok.ID.String(), Subject: id.Subject})
	return string(value), nil
}

// tokenTooLarge measures a bare token as tooLarge measures a cookie.
func (c *core) tokenTooLarge(t *token.Session, now time.Time) error {
	bare := *t
	bare.Data = nil
	value, err := c.sealer.SealBearer(nil, &bare, now)
	if err != nil {
		return c.unsealed(err, now)
	}
	return newSizeError(len(value), len(t.Data), token.MaxLength)
}
