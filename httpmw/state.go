package httpmw

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/token"
)

// state is the session of one request, apart from the type of its data.
type state struct {
	core    *core
	request *http.Request // nil outside of HTTP
	touched atomic.Bool   // the handler asked the session something

	updating sync.Mutex // held through one Update, also while its function runs

	mu         sync.Mutex   // owns all below; held through I/O, so that changes exclude each other
	opened                  // the session as it stands
	entered    time.Time    // when the request came
	came       bool         // a cookie of ours came
	anonymous  bool         // an anonymous one
	more       bool         // more session cookies than are looked at
	chunks     chunkCookies // nil if no session was spread over several
	bulk       int          // bytes of the session cookie that came, of markers none
	ends       []ending     // the sessions that Logout has to end, each once
	endsRoom   [1]ending    // where ends has room for its first
	after      int64        // log time in ms: anonymous sessions that began by then do not count
	latest     int64        // log time in ms when the newest of all sessions began
	out        int64        // the marker of a logout; 0: none
	committed  bool         // the headers have left, or there are none
	loggedOut  bool         // Logout was called
	unattended bool         // DoNotRenew was called
	change     change
	lines      []string                    // Set-Cookie lines of a changed session
	version    uint64                      // counts changes
	undecoded  bool                        // the data could not be decoded
	atCommit   func(ends, has bool) string // returns one more Set-Cookie line, "" for none
}

type change uint8

const (
	unchanged change = iota
	changed          // lines are to be written
)

type status uint8

const (
	none      status = iota // no session; why may say why not
	undecided               // one that may be revoked
	locked                  // one that may not be used before something is done; why says what (R36)
	alive
)

// opened is a session as its cookies describe it, with what was decided about it.
type opened struct {
	status status
	why    error // why there is no session, or none for now: one of the refusals
	// reloaded: the data in tok was loaded for this request, for entries up to loadedFor, and is not
	// sealed yet.
	reloaded  bool
	loadedFor int64
	// ending: it was opened only to be ended, so nothing that is asked of it is done.
	ending bool

	// tok has the Validity that counts by the reading rule: that of the renewal token if there is
	// one, else the session token's own; Expires never after End.
	tok     token.Session
	sealed  int64 // when the session token itself was sealed, Unix seconds
	renewed bool  // the Validity is that of a renewal token

	asOf    []string // the receipts that the request brings
	query   replica.Query
	asked   bool // the list could not decide from memory
	verdict replica.Verdict
}

// read locks mu for an accessor, which unlocks it, and notes that the response depends on the
// cookie.
func (s *state) read() {
	if !s.touched.Load() {
		s.touched.Store(true)
	}
	s.mu.Lock()
}

// exclusively runs f while nothing else can change the session, and then tells the application what
// happened.
func (s *state) exclusively(ctx context.Context, f func() ([]Event, error)) error {
	events, err := func() ([]Event, error) {
		s.read()
		defer s.mu.Unlock()
		return f()
	}()
	s.core.tell(ctx, events...)
	return err
}

// changeable returns why the session cannot be replaced.
func (s *state) changeable() error {
	switch {
	case s.committed:
		return ErrCommitted
	case s.status == undecided:
		return ErrUndecided
	}
	return nil
}

// age returns how long ago the session began.
func (s *state) age() time.Duration { return since(s.tok.Epoch) }

// since returns how long ago a moment of log time was, ms. It is for metrics: log time is that of
// another machine.
func since(ms int64) time.Duration {
	return time.Duration(time.Now().UnixMilli()-ms) * time.Millisecond
}

func (s *state) loggedIn() bool { return s.status == alive && len(s.tok.Subject) > 0 }

// hasSubject reports whether the session is one of a subject, who may have to log in again.
func (s *state) hasSubject() bool { return s.loggedIn() || s.status == locked }

// noLogin returns why nobody is logged in, nil if somebody is.
func (s *state) noLogin() error {
	if s.loggedIn() {
		return nil
	}
	if err := s.err(); err != nil {
		return err
	}
	return ErrNoLogin
}

// sid returns the session id, "" without a session.
func (s *state) sid() string {
	if s.status == none {
		return ""
	}
	return s.tok.ID.String()
}

func (s *state) event(k EventKind, previous string) Event {
	e := Event{Kind: k, Session: s.sid(), Previous: previous, Subject: string(s.tok.Subject), Request: s.request}
	e.describe(&s.tok)
	return e
}

func (s *state) err() error {
	switch {
	case s.status == undecided:
		return ErrUndecided
	case (s.status == none || s.status == locked) && s.why != nil:
		return s.why
	case s.undecoded:
		return ErrData
	}
	return nil
}

// undecodable notes once that the data is not of the application's type.
func (s *state) undecodable() {
	s.mu.Lock()
	first := !s.undecoded
	s.undecoded = true
	s.mu.Unlock()
	if first {
		s.core.note(s.context(), ErrData, time.Now())
	}
}

// close ends changes for good, also after a panic, when nothing was committed.
func (s *state) close() {
	s.mu.Lock()
	s.committed = true
	s.mu.Unlock()
}

// refused drops a session that turned out to be revoked while the request ran.
func (s *state) refused(why error) error {
	s.opened = opened{why: why}
	s.change, s.lines = unchanged, nil
	s.version++
	return why
}

// setData seals the session with other data. If version is given and the session has changed since,
// it does nothing and returns false.
func (s *state) setData(raw []byte, version *uint64) (done bool, err error) {
	s.read()
	defer s.mu.Unlock()
	switch {
	case s.committed:
		return false, ErrCommitted
	case version != nil && *version != s.version:
		return false, nil
	case s.status == undecided, s.status == locked:
		return false, s.err()
	}
	now := time.Now()
	next := s.opened
	if s.status == none {
		next = s.beginAnonymous(now)
	} else {
		v := s.core.replica.Decide(&s.query)
		if v.Outcome == replica.Refuse {
			return false, s.refused(refusedBy(v.Reason))
		}
		s.core.extend(&next, v, now)
	}
	next.tok.Data = raw
	next.tok.Version++
	return true, s.replace(&next, now)
}

// replace seals next and makes it the session, to be written at commit.
func (s *state) replace(next *opened, now time.Time) error {
	lines, err := s.core.sealSession(&next.tok, s.room(&next.tok), now)
	if err != nil {
		return err
	}
	s.opened = *next
	s.reloaded = false
	s.record(next, now)
	if listed(&next.tok) {
		s.out = 0
	}
	s.change, s.lines = changed, lines
	s.undecoded = false
	s.version++
	return nil
}

// extend prepares a session for being sealed again, renewed as far as the list allows. A replica
// that is out of touch leaves the checked position as it was, so that it cannot carry the session
// past a revocation (R24). now is from before v was decided.
func (c *core) extend(o *opened, v replica.Verdict, now time.Time) {
	if v.Extend {
		limits, _ := c.limits(&o.tok)
		o.tok.Expires = min(now.Unix()+seconds(limits.Idle), o.tok.End)
	}
	if v.Renew {
		o.tok.Checked, o.tok.Term = v.Checked, v.Term
	}
	// Never backwards, because among the tokens of one session the newest iat counts, whichever
	// replica's clock it is from. Ahead of the renewal that came with it, which counts in a tie.
	// But not so far ahead that it would be refused.
	if o.renewed {
		o.tok.IssuedAt++
		o.renewed = false
	}
	o.tok.IssuedAt = min(max(now.Unix(), o.tok.IssuedAt), now.Add(token.ClockSlack).Unix())
}

// limits returns the limits of a session, and whether it is remembered: its login asked for that,
// and this application allows it.
func (c *core) limits(t *token.Session) (Limits, bool) {
	if t.Remembered && c.cfg.Remember != (Limits{}) {
		return c.cfg.Remember, true
	}
	return Limits{c.cfg.Idle, c.cfg.Absolute}, false
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
