package httpmw

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/internal/eventstream"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/token"
)

// A Manager opens, checks and writes the sessions of one application, whose data is of type T.
type Manager[T any] struct{ core *core }

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (m Manager[T]) Format(f fmt.State, _ rune) { io.WriteString(f, "httpmw.Manager") }

// New makes a Manager of a key ring and a revocation list. It refuses a Config that could not keep
// its promises, and a list that was opened with the list key of another ring. It starts nothing,
// and there is nothing to close.
func New[T any](k keys.Source, l *revocation.List, c Config) (*Manager[T], error) {
	c, err := c.withDefaults(k, l)
	if err != nil {
		return nil, err
	}
	made := newCore(k, l, c)
	made.replica.ReportKeys(made.keyUses)
	return &Manager[T]{made}, nil
}

// core is the part of a Manager that does not depend on T.
type core struct {
	cfg      Config
	keys     keys.Source
	list     *revocation.List // to end sessions
	replica  *replica.Replica // of that list, to decide
	sealer   *token.Sealer
	cookie   cookieStyle
	load     func(context.Context, *state) ([]byte, error) // nil: data cannot be loaded again
	reloads  *reloads                                      // data is in it
	renewals *renewals                                     // cookies are in it: two pointers away from what fmt can reach
	ended    *ended                                        // session ids are in it
	tags     subjectTags
	kept     keptGroups
	look     lookup
	tired    tired
	streams  eventstream.Room // of Tab
	count    counters

	warnedReload minutely
}

func newCore(k keys.Source, l *revocation.List, c Config) *core {
	return &core{cfg: c, keys: k, list: l, replica: l.Replica(), sealer: token.New(k), cookie: newCookieStyle(c), reloads: newReloads(), renewals: new(renewals), ended: new(ended)}
}

// Handler opens the session of every request and writes cookies when the headers leave. It refuses
// no request. Within another Handler of the same Manager it does nothing.
func (m *Manager[T]) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next) })
}

// From returns the session of a request's context. There always is one, though perhaps nobody is
// logged in. From panics outside of this Manager's Handler, Require and RequireThat, which is a
// mistake in the set-up of routes.
func (m *Manager[T]) From(ctx context.Context) *Session[T] {
	s := m.find(ctx)
	if s == nil {
		panic("httpmw: From: this request did not pass the Manager's Handler or Require")
	}
	return s
}

// Now returns the present moment for Identity.Since. Call it before the password is checked: a
// login that a revocation of its subject overtook is then refused, instead of outliving that
// revocation. It asks the store of the list, as revocation.List.Now does.
func (m *Manager[T]) Now(ctx context.Context) revocation.Instant { return m.core.list.Now(ctx) }

func (m *Manager[T]) find(ctx context.Context) *Session[T] {
	s, _ := ctx.Value(m).(*Session[T])
	return s
}

// exchange is everything a request needs, in one allocation.
type exchange[T any] struct {
	ctx     exchangeContext[T]
	writer  writer
	session Session[T]
	hidden  hidden
	state   state
}

// exchangeContext is the request's context with the session in it.
type exchangeContext[T any] struct {
	context.Context
	m *Manager[T]
	s *Session[T]
}

func (c *exchangeContext[T]) Value(key any) any {
	if m, ok := key.(*Manager[T]); ok && m == c.m {
		return c.s
	}
	return c.Context.Value(key)
}

func (m *Manager[T]) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if m.find(r.Context()) != nil {
		next.ServeHTTP(w, r)
		return
	}
	x := &exchange[T]{}
	x.ctx = exchangeContext[T]{r.Context(), m, &x.session}
	x.hidden.state, x.session.st = &x.state, &x.hidden
	own := r.WithContext(&x.ctx)
	x.state.core, x.state.request = m.core, own
	x.writer.inner, x.writer.st = w, &x.state
	m.core.enter(&x.ctx, &x.state, r.Header["Cookie"], time.Now())
	defer func() {
		// After a panic nothing is committed: a half-changed session must not leave.
		x.state.close()
		giveBack(r, own)
	}()
	next.ServeHTTP(&x.writer, own)
	x.writer.commit()
}

// giveBack copies to the request that Handler was given what was found by handlers on their copy of
// it: the server removes the temporary files of a form that it can see, and outer handlers count
// requests by pattern.
func giveBack(r, own *http.Request) {
	if r.MultipartForm == nil {
		r.MultipartForm = own.MultipartForm
	}
	if r.Pattern == "" {
		r.Pattern = own.Pattern
	}
}
