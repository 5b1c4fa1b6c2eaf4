package revlog

import (
	"context"
	"sync"
	"time"
)

// A Replica is what one List last told the store about itself.
type Replica struct {
	ID       string // random, one for each List
	Host     string
	Version  string // of Wafer
	State    string // as in Stats
	Age      time.Duration
	Window   time.Duration
	List     ListID // that it follows
	Position string
	Keys     []KeyUse          // of its ring, those that are not expired
	SignedIn SignedIn          // as this replica knows it
	Report   map[string]string // from Config.Report
	Seen     time.Time         // when the store received this, by the store's clock
}

// A KeyUse is what a replica knows of a key of its ring.
type KeyUse struct {
	ID      string
	Revoked bool
	// Seals is how often this replica sealed with the key since it started.
	Seals uint64
	// Sealed and Opened are when the key last sealed and last opened a token, as far as this replica
	// knows. Zero: never.
	Sealed, Opened time.Time
}

// With returns what u and o, of one key, say together: the seals of both, and the later times.
func (u KeyUse) With(o KeyUse) KeyUse {
	u.Revoked = u.Revoked || o.Revoked
	u.Seals += o.Seals
	if o.Sealed.After(u.Sealed) {
		u.Sealed = o.Sealed
	}
	if o.Opened.After(u.Opened) {
		u.Opened = o.Opened
	}
	return u
}

// A Registrar is a [Store] that also keeps a list of the replicas that read it. The list is for
// people: no decision uses it.
type Registrar interface {
	// Register stores r for as long as keep. The store sets Seen.
	Register(ctx context.Context, r Replica, keep time.Duration) error
	// Replicas returns the registered replicas, in no order.
	Replicas(ctx context.Context) ([]Replica, error)
	// CallRoll asks every replica that reads the list to register at once: it raises Page.Roll,
	// which replicas read anyway.
	CallRoll(ctx context.Context, list ListID) error
}

// registry is the [Registrar] of a Memory.
type registry struct {
	mu    sync.Mutex // owns known
	known map[string]registered
}

type registered struct {
	Replica
	until time.Time
}

var _ Registrar = (*Memory)(nil)

// Register implements [Registrar].
func (m *Memory) Register(ctx context.Context, r Replica, keep time.Duration) error {
	m.replicas.mu.Lock()
	defer m.replicas.mu.Unlock()
	if m.replicas.known == nil {
		m.replicas.known = map[string]registered{}
	}
	r.Seen = time.Now()
	m.replicas.known[r.ID] = registered{r, r.Seen.Add(keep)}
	return nil
}

// Replicas implements [Registrar].
func (m *Memory) Replicas(ctx context.Context) (out []Replica, _ error) {
	m.replicas.mu.Lock()
	defer m.replicas.mu.Unlock()
	for id, r := range m.replicas.known {
		if time.Now().After(r.until) {
			delete(m.replicas.known, id)
			continue
		}
		out = append(out, r.Replica)
	}
	return out, nil
}

// CallRoll implements [Registrar].
func (m *Memory) CallRoll(ctx context.Context, list ListID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.guard(list); err != nil {
		return err
	}
	m.roll++
	return nil
}
