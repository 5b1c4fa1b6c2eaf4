package httpmw

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
	"golang.org/x/sync/singleflight"
)

// loadTime bounds one call of the function given to OnReload.
const loadTime = 30 * time.Second

// OnReload sets how the data of a session is loaded again after revocation.List.Reload: load returns
// the data that a login would begin with now, from where the application keeps roles, plans and the
// like. It is called on the next request of each session, before any handler runs, and gets the
// session as it was. Concurrent requests of a session share one call at each replica, and the result
// goes into its cookie. A bearer token cannot be written again: each replica loads its data again
// every ten seconds, until the next token is issued.
//
// If load fails, panics, or takes longer than 30 s, there is no session for this request: Session.Err
// returns an error that wraps ErrReload and that of load, and Require answers 503. Without OnReload, a
// Reload asks for a login, as RequireLogin does.
//
// Call OnReload once, before the Manager serves requests.
func (m *Manager[T]) OnReload(load func(ctx context.Context, s *Session[T]) (T, error)) {
	m.core.load = func(ctx context.Context, st *state) ([]byte, error) {
		data, err := load(ctx, &Session[T]{&hidden{st}})
		if err != nil {
			return nil, err
		}
		return m.core.encode(data)
	}
}

// answerAsks does what entries ask of a session that the list accepts (R36).
func (c *core) answerAsks(ctx context.Context, o *opened) {
	if o.verdict.Asks&^revlog.Ending == revlog.AsksReload && c.load != nil {
		c.reload(ctx, o)
		return
	}
	if o.verdict.Asks&^revlog.Ending != 0 {
		o.status, o.why = locked, ErrReauthenticate
	}
}

// reload loads the data of o again.
func (c *core) reload(ctx context.Context, o *opened) {
	for fresh := false; ; fresh = true {
		l, err := c.reloads.get(ctx, c, o, fresh)
		if err != nil {
			c.count.reloadsFailed.Add(1)
			o.status, o.why = locked, fmt.Errorf("%w: %w", ErrReload, err)
			return
		}
		next := o.query
		next.Loaded = l.at
		v := c.replica.Decide(&next)
		switch {
		case v.Outcome == replica.Refuse:
			o.status, o.verdict, o.why = none, v, refusedBy(v.Reason)
			return
		case v.Asks&revlog.AsksReload != 0 && !fresh: // asked for again since another request has loaded it
			continue
		case v.Asks&revlog.AsksLogin != 0:
			o.status, o.verdict, o.why = locked, v, ErrReauthenticate
			return
		}
		// While the store is silent, the next request loads it again.
		o.tok.Data, o.tok.Loaded, o.query = l.data, l.at, next
		if v.Outcome == replica.Accept {
			o.verdict = v
		}
		o.reloaded = true
		c.count.reloaded.Add(1)
		return
	}
}

// loadSafely calls the function given to OnReload. It runs outside the goroutine of a request, where
// net/http would recover a panic, so a panic would end the process.
func (c *core) loadSafely(ctx context.Context, st *state) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
			if c.warnedReload.due(time.Now()) {
				c.cfg.Logger.Error("the function given to OnReload panicked", "app", c.cfg.App, "stack", string(debug.Stack()))
			}
		}
	}()
	return c.load(ctx, st)
}

// sealReloaded writes a session whose data was loaded again, unless there is no cookie to write. If it cannot
// be sealed, the data serves this request, and the next one loads it again.
func (s *state) sealReloaded(now time.Time) {
	if !s.reloaded || s.committed || s.status != alive {
		return
	}
	next := s.opened
	s.core.extend(&next, s.verdict, now)
	next.tok.Version++
	if err := s.replace(&next, now); err != nil && s.core.warnedReload.due(now) {
		s.core.cfg.Logger.Warn("a session whose data was loaded again cannot be sealed, so its next request loads it again",
			"app", s.core.cfg.App, "error", err.Error())
	}
}

// reloads remembers for some seconds what was loaded, so that the requests of a page share it.
type reloads struct {
	flights singleflight.Group

	mu     sync.Mutex // owns loaded
	loaded recent[reloaded]
}

// reloaded is data with the log time when it began to be loaded.
type reloaded struct {
	at      int64
	version int64 // of the session, before
	data    []byte
}

// get loads the data of o, or returns what was loaded for the same state of the session moments ago,
// unless fresh.
func (r *reloads) get(ctx context.Context, c *core, o *opened, fresh bool) (reloaded, error) {
	if have, ok := r.find(o); ok && !fresh {
		return have, nil
	}
	ctx, done := context.WithTimeout(ctx, loadTime) // load may not mind its context
	defer done()
	was := *o // the flight may outlast the request, which goes on with o
	flight := r.flights.DoChan(string(o.tok.ID[:])+string(o.tok.Data), func() (any, error) {
		if have, ok := r.find(&was); ok && !fresh { // another flight has just landed
			return have, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTime)
		defer cancel()
		q := was.query
		at, err := c.replica.Loading(ctx, &q)
		if err != nil {
			return nil, listError(err)
		}
		data, err := c.loadSafely(ctx, &state{core: c, committed: true, opened: was})
		if err != nil {
			return nil, err
		}
		l := reloaded{at, was.tok.Version, data}
		r.keep(was.tok.ID, l)
		return l, nil
	})
	select {
	case <-ctx.Done():
		return reloaded{}, context.Cause(ctx)
	case got := <-flight:
		if got.Err != nil {
			return reloaded{}, got.Err
		}
		return got.Val.(reloaded), nil
	}
}

func (r *reloads) find(o *opened) (reloaded, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	have, ok := r.loaded.find(o.tok.ID)
	return have, ok && have.version == o.tok.Version && time.Now().Unix()-r.loaded.since < 2*shareFor
}

func (r *reloads) keep(id token.ID, l reloaded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded.keep(id, l, time.Now().Unix())
}
