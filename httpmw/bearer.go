package httpmw

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
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

// CheckCookies is Check for the values of cookies that came over another transport than HTTP: that
// of the session cookie and, in any order, those of the renewal cookie and of the further cookies of
// a large session (Config.MaxCookies). Empty ones count as missing. It accepts no bearer token. The
// error is ErrNoLogin for the marker of a logout, and ErrIncomplete if not all cookies of a large
// session came.
func (m *Manager[T]) CheckCookies(ctx context.Context, session string, others ...string) (*Session[T], error) {
	if _, out := parseMarker(session); out || session == "" {
		return nil, ErrNoLogin
	}
	now := time.Now()
	st := &state{core: m.core, committed: true}
	m.core.openCookies(ctx, &st.opened, session, others, now)
	return m.checked(ctx, st, now)
}

// openCookies opens a session token with whatever others belong to it. What each of the others is,
// its token says.
func (c *core) openCookies(ctx context.Context, o *opened, session string, others []string, now time.Time) {
	var f found
	for _, value := range others {
		if value == "" {
			continue
		}
		f.renewal.add(value)
		for i := 1; i < maxCookies; i++ {
			f.chunks = append(f.chunks, chunkName(c.cookie.session, i)+"="+value)
		}
	}
	c.open(ctx, o, session, c.cookie.session, &f, now)
}

// Revoke ends the session of a bearer token from Issue. It also ends one that expired or is refused
// here, because another clock or another replica may accept it. Package oauth serves it (RFC 7009). No
// error means that the store has the revocation. Errors are those of Session.Logout,
// revocation.ErrDisabled if there is no list, and ErrInvalid or ErrRevokedKey if the token does not
// open, when nothing was done.
func (m *Manager[T]) Revoke(ctx context.Context, token string) error {
	return m.core.end(ctx, func(o *opened, now time.Time) { m.core.openBearer(ctx, o, token, now) })
}

// RevokeCookies is Revoke for the values of cookies, see CheckCookies. The session cookie alone is
// enough. ErrNoLogin means that the session is anonymous: the list cannot end it.
func (m *Manager[T]) RevokeCookies(ctx context.Context, session string, others ...string) error {
	return m.core.end(ctx, func(o *opened, now time.Time) { m.core.openCookies(ctx, o, session, others, now) })
}

// end ends the session that open opens.
func (c *core) end(ctx context.Context, open func(*opened, time.Time)) error {
	if !c.replica.Enabled() {
		return fmt.Errorf("httpmw: %s: %w", EventLogout, revocation.ErrDisabled)
	}
	now := time.Now()
	st := &state{core: c, committed: true}
	st.ending = true
	switch open(&st.opened, now); {
	case st.tok.ID == (token.ID{}):
		return st.err()
	case !listed(&st.tok):
		return ErrNoLogin
	}
	st.record(&st.opened, now)
	return st.exclusively(ctx, func() ([]Event, error) { return st.logOutAllBut(ctx, token.ID{}) })
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
// groups. Identity.Remember has no meaning here and is refused. Config.Devices lists and counts the
// session only if Identity.Device is set, so that tokens of machines push nobody out.
func (m *Manager[T]) Issue(ctx context.Context, id Identity, data T, ttl time.Duration) (string, error) {
	c, now := m.core, time.Now()
	raw, err := c.encode(data)
	if err != nil {
		return "", err
	}
	o, err := c.identifyBearer(id, cmp.Or(ttl, c.cfg.Idle), now)
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
	st := &state{core: c, committed: true}
	if id.Device != "" {
		if err := st.enlist(ctx, &o, start, EventLogin, id.Device); err != nil {
			return "", err
		}
	}
	o.begin(start)
	if v := c.replica.Decide(&o.query); v.Outcome == replica.Refuse {
		return "", st.strike(ctx, &o, refusedBy(v.Reason))
	}
	value, err := c.sealer.SealBearer(nil, &o.tok, now)
	if errors.Is(err, token.ErrTooLarge) {
		return "", st.strike(ctx, &o, c.tokenTooLarge(&o.tok, now))
	}
	if err != nil {
		return "", st.strike(ctx, &o, c.unsealed(err, now))
	}
	c.count.logins.Add(1)
	c.count.sizes[bearerToken].Record(float64(len(value)))
	e := Event{Kind: EventLogin, Session: o.tok.ID.String(), Subject: id.Subject, Device: id.Device}
	e.describe(&o.tok)
	c.tell(ctx, e)
	return string(value), nil
}

// identifyBearer begins a session of id for a bearer token, without what the list contributes to it.
func (c *core) identifyBearer(id Identity, ttl time.Duration, now time.Time) (opened, error) {
	longest := min(c.replica.MaxIdle(), c.keys.Ring().MaxSession())
	switch {
	case ttl < time.Second || ttl > longest:
		return opened{}, fmt.Errorf("%w: a bearer token may live from 1 s to %v, not %v", ErrIdentity, longest, ttl)
	case id.Remember:
		return opened{}, fmt.Errorf("%w: a bearer token cannot be remembered: leave Remember unset", ErrIdentity)
	}
	if err := c.sealable(now); err != nil {
		return opened{}, err
	}
	return c.identify(id, Limits{ttl, ttl}, now)
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
