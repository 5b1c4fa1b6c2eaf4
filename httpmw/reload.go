package httpmw

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

const (
	// loadTime bounds one call of the function given to OnReload.
	loadTime = 30 * time.Second

	// After a Reload of everyone, the requests of all sessions come at once. At most loadsAtOnce of them
	// ask the store and call the function at a time, so half of the room that the list has for logins is
	// left for logins. A request that waits for longer than loadRoom gets 503.
	loadsAtOnce = 32
	loadRoom    = 2 * time.Second

	// loadTries is how often the data of one request is loaded, if it is asked for again meanwhile.
	loadTries = 3
)

// OnReload sets how the data of a session is loaded again after revocation.List.Reload: load returns
// the data that a login would begin with now, from where the application keeps roles, plans and the
// like. It is called on the next request of each session, before any handler runs, and gets the
// session as it was. Concurrent requests of a session share one call at each replica, and the result
// goes into its cookie. Login, SetGroups and LogoutOthers call it too, if they find that the data they
// keep is to be loaded again, so load must use s and not the session of the request. A bearer token
// cannot be written again: each replica loads its data again every ten seconds, until the next token is
// issued.
//
// At most 32 calls run at a time. If a request waits for longer than 2 s for its turn, or if load fails,
// panics, or takes longer than 30 s, there is no session for this request: Session.Err returns an error
// that wraps ErrReload and that of load, and Require answers 503. Without OnReload, a Reload asks for a
// login, as RequireLogin does.
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

// reload loads the data of o again, and decides about o again. Nobody works with data that is older
// than an entry about it that this replica knows.
func (c *core) reload(ctx context.Context, o *opened) {
	next := *o
	for range loadTries {
		if err := c.loadAgain(ctx, &next); err != nil {
			c.count.reloadsFailed.Add(1)
			o.status, o.why = locked, err
			return
		}
		v := c.replica.Decide(&next.query)
		if v.Outcome == replica.Ask {
			v = c.replica.Confirm(ctx, &next.query)
		}
		switch {
		case v.Outcome == replica.Refuse:
			o.status, o.verdict, o.why = none, v, refusedBy(v.Reason)
			return
		case v.Asks&revlog.AsksLogin != 0:
			o.status, o.verdict, o.why = locked, v, ErrReauthenticate
			return
		case v.Asks&revlog.AsksReload != 0 && c.replica.ReloadUpTo(&next.query) > next.loadedFor:
			continue // asked for again since
		}
		// If Reload is still asked for, the store was silent, and the next request loads the data again.
		if v.Outcome == replica.Accept {
			next.verdict = v
			if v.Renew {
				next.query.Checked, next.query.Term = v.Checked, v.Term
			}
		}
		*o = next
		c.count.reloaded.Add(1)
		return
	}
	c.count.reloadsFailed.Add(1)
	o.status, o.why = locked, fmt.Errorf("%w: it changed again and again meanwhile", ErrReload)
}

// loadAgain puts into o data that was loaded after every entry about it that this replica knows.
func (c *core) loadAgain(ctx context.Context, o *opened) error {
	upTo := c.replica.ReloadUpTo(&o.query)
	l, err := c.reloads.get(ctx, c, o, upTo)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReload, err)
	}
	o.tok.Data, o.tok.Loaded = l.data, l.at
	o.query.Loaded, o.query.LoadedTerm = l.at, l.term
	o.reloaded, o.loadedFor = true, upTo
	return nil
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

// sealReloaded seals a session whose data was loaded again, to be written at commit. The idle limit
// stays if the request does not count as use (DoNotRenew). If the session cannot be sealed, the next
// request loads the data again. now is from before v was decided.
func (s *state) sealReloaded(v replica.Verdict, now time.Time) {
	v.Extend = v.Extend && !s.unattended
	next := s.opened
	s.core.extend(&next, v, now)
	next.tok.Version++
	if err := s.replace(&next, now); err != nil && s.core.warnedReload.due(now) {
		s.core.cfg.Logger.Warn("a session whose data was loaded again cannot be sealed, so its next request loads it again, and it is not renewed",
			"app", s.core.cfg.App, "error", err.Error())
	}
}

// reloads remembers for some seconds what was loaded, so that the requests of a page share it.
type reloads struct {
	flights singleflight.Group
	room    *semaphore.Weighted // of loadsAtOnce

	mu     sync.Mutex // owns loaded
	loaded recent[loading, reloaded]
}

func newReloads() *reloads { return &reloads{room: semaphore.NewWeighted(loadsAtOnce)} }

// reloaded is data that was loaded.
type reloaded struct {
	at     int64  // log time when loading began
	term   uint32 // the primary term of at
	landed int64  // when loading ended, Unix seconds
	data   []byte
}

// A loading says which data is loaded: requests with the same loading share the result.
type loading struct {
	id   token.ID
	from [sha256.Size]byte // the groups and the data before
	upTo int64             // the highest watermark of entries that ask for it
}

func (o *opened) loading(upTo int64) loading {
	h := sha256.New()
	h.Write([]byte{byte(o.tok.Groups)})
	for _, g := range o.groups() {
		h.Write(g[:])
	}
	h.Write(o.tok.Data)
	l := loading{id: o.tok.ID, upTo: upTo}
	h.Sum(l.from[:0])
	return l
}

// get loads the data of o, or returns what was loaded from the same moments ago, for entries up to upTo.
func (r *reloads) get(ctx context.Context, c *core, o *opened, upTo int64) (reloaded, error) {
	of := o.loading(upTo)
	if have, ok := r.find(of); ok {
		return have, nil
	}
	ctx, done := context.WithTimeout(ctx, loadTime) // load may not mind its context
	defer done()
	was := *o // the flight may outlast the request, which goes on with o
	was.status, was.why = alive, nil
	flight := r.flights.DoChan(fmt.Sprint(of), func() (any, error) {
		if have, ok := r.find(of); ok { // another flight has just landed
			return have, nil
		}
		return r.load(context.WithoutCancel(ctx), c, was, of)
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

// load loads the data of was when there is room for one more.
func (r *reloads) load(ctx context.Context, c *core, was opened, of loading) (reloaded, error) {
	waiting, stop := context.WithTimeout(ctx, loadRoom)
	defer stop()
	if r.room.Acquire(waiting, 1) != nil {
		return reloaded{}, errCrowded
	}
	defer r.room.Release(1)
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	q := was.query
	at, term, err := c.replica.Loading(ctx, &q)
	if err != nil {
		return reloaded{}, listError(err)
	}
	data, err := c.loadSafely(ctx, &state{core: c, committed: true, opened: was})
	if err != nil {
		return reloaded{}, err
	}
	l := reloaded{at, term, time.Now().Unix(), data}
	r.keep(of, l)
	return l, nil
}

var errCrowded = errors.New("the data of too many sessions is being loaded")

func (r *reloads) find(of loading) (reloaded, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	have, ok := r.loaded.find(of)
	return have, ok && time.Now().Unix()-have.landed < shareFor
}

func (r *reloads) keep(of loading, l reloaded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loaded.keep(of, l, l.landed)
}
