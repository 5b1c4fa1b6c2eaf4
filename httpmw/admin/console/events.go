package console

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// hello is the first event of /events.
type hello struct {
	Name    string       `json:"name"`
	Roles   []admin.Role `json:"roles"`
	Replica string       `json:"replica"` // the id of the one that answers
	Within  float64      `json:"within"`  // this and the next two: seconds, as in adminapi.Promise
	Grace   float64      `json:"grace"`
	MaxIdle float64      `json:"max_idle"`
	// SessionUntil is when the session ends at the latest. Absent: there is none.
	SessionUntil *time.Time `json:"session_until,omitempty"`
	ReadOnly     bool       `json:"read_only"` // this replica cannot change its ring
}

// now is an event once a second.
type now struct {
	Now      time.Time          `json:"now"`
	Status   adminapi.Status    `json:"status"`
	Replicas []adminapi.Replica `json:"replicas"` // nil: the store does not answer
	Sessions *counted           `json:"sessions"` // nil: not known
	Enforced timed              `json:"enforced"`
}

// counted are counters of the application's sessions since its process began.
type counted struct {
	Accepted uint64            `json:"accepted"`
	Refused  map[string]uint64 `json:"refused"` // by reason
	Renewed  uint64            `json:"renewed"`
	Logins   uint64            `json:"logins"`
	Logouts  map[string]uint64 `json:"logouts"` // by kind
	Ended    map[string]uint64 `json:"ended"`   // by why
	Streams  int               `json:"streams"` // open now
}

// timed says how long canaries took until this replica refused them, in seconds.
type timed struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

const (
	tick     = time.Second
	rollTime = 500 * time.Millisecond // for the store to say which replicas there are
)

// events streams how this replica stands, until the session ends.
func (c *console) events(w http.ResponseWriter, r *http.Request) {
	s, done, ok := c.open(w, r)
	if !ok {
		return
	}
	defer done()
	if !s.begin() || !s.send("hello", c.hello(s)) {
		return
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for s.send("now", c.now(s.ctx)) {
		select {
		case <-s.ctx.Done():
			s.end()
			return
		case <-ticker.C:
		}
	}
}

func (c *console) hello(s *stream) hello {
	rep := c.list.Replica()
	h := hello{
		Name: s.caller.Name, Roles: s.caller.Roles, Replica: rep.ID(),
		Within: rep.Within().Seconds(), Grace: rep.Grace().Seconds(), MaxIdle: rep.MaxIdle().Seconds(),
	}
	if _, ok := c.ring.(keys.Editor); !ok {
		h.ReadOnly = true
	}
	if !s.until.IsZero() {
		until := s.until.UTC()
		h.SessionUntil = &until
	}
	return h
}

func (c *console) now(ctx context.Context) now {
	stats := c.list.Stats()
	n := now{Now: time.Now().UTC(), Status: adminapi.StatusOf(c.list, stats), Replicas: c.roll.call(ctx, c.list)}
	if took := stats.Enforced; took.Count > 0 {
		n.Enforced = timed{took.Count, took.Quantile(0.5), took.Quantile(0.99), took.Quantile(1)}
	}
	if c.counters == nil {
		return n
	}
	st := c.counters()
	n.Sessions = &counted{
		Accepted: st.Accepted, Refused: st.Refused, Renewed: st.Renewed, Logins: st.Logins, Logouts: st.Logouts,
		Ended: map[string]uint64{}, Streams: st.Streams,
	}
	for why, h := range st.Ended {
		n.Sessions.Ended[why] = h.Count
	}
	return n
}

// A roll keeps which replicas there are, so that many streams ask the store once in two seconds.
type roll struct {
	mu    sync.Mutex // owns the fields below, also while the store is asked
	asked time.Time
	all   []adminapi.Replica
}

const rollEvery = 2 * time.Second

// call returns the replicas, nil if the store does not answer.
func (r *roll) call(ctx context.Context, l *revocation.List) []adminapi.Replica {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) < rollEvery {
		return r.all
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollTime)
	defer cancel()
	all, err := l.Replicas(ctx)
	r.asked, r.all = time.Now(), nil
	if err == nil {
		r.all = adminapi.ReplicasOf(all).Replicas
	}
	return r.all
}
