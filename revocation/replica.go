package revocation

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	registerEvery = 5 * time.Second
	registerKeep  = 3 * registerEvery // a replica that says nothing for so long is gone
)

// A Replica is one List as it last described itself to the store.
type Replica struct {
	ID       string // random, of this List
	Host     string
	Version  string // of Wafer
	State    string // as in Stats
	Age      time.Duration
	Window   time.Duration
	Position string
	Report   map[string]string // what Config.Report said, such as the ids of the keys it holds
	Seen     time.Time         // when the store heard it, by the store's clock
}

// A Registrar is a [Store] that also keeps a list of who reads it. Nothing rests
// on it: it is for people.
type Registrar interface {
	// Register keeps what a replica says of itself for as long as keep. Seen is
	// filled in by the store.
	Register(ctx context.Context, r Replica, keep time.Duration) error
	// Replicas returns the replicas kept, in no order.
	Replicas(ctx context.Context) ([]Replica, error)
}

// Replicas returns every replica that reads the store and was heard of in the
// last 15 s, ordered by host and id. Of a store that does not keep them it
// returns this one, and so it does with [ErrLookup] when the store does not answer.
func (l *List) Replicas(ctx context.Context) ([]Replica, error) {
	r, ok := l.store.(Registrar)
	if !ok {
		return []Replica{l.describe(time.Now())}, nil
	}
	all, err := r.Replicas(ctx)
	if err != nil {
		return []Replica{l.describe(time.Now())}, fmt.Errorf("%w: %w", ErrLookup, err)
	}
	slices.SortFunc(all, func(a, b Replica) int { return strings.Compare(a.Host+"\x00"+a.ID, b.Host+"\x00"+b.ID) })
	return all, nil
}

// identity is what a List calls itself.
type identity struct {
	once sync.Once
	id   string
	host string
	// last is when this List last registered. The reader owns it.
	last time.Time
}

func (i *identity) names() (id, host string) {
	i.once.Do(func() {
		var b [9]byte
		rand.Read(b[:]) // never fails
		i.id = base64.RawURLEncoding.EncodeToString(b[:])
		i.host, _ = os.Hostname()
	})
	return i.id, i.host
}

func (l *List) describe(now time.Time) Replica {
	s := l.Stats()
	r := Replica{
		Version: moduleVersion(), State: s.State, Age: s.Age, Window: s.Window, Position: s.Position, Seen: now,
	}
	r.ID, r.Host = l.identity.names()
	if l.config.Report != nil {
		r.Report = l.config.Report()
	}
	return r
}

// register tells the store now and then that this replica is there.
func (l *List) register(ctx context.Context, now time.Time) {
	r, ok := l.store.(Registrar)
	if !ok || now.Sub(l.identity.last) < registerEvery {
		return
	}
	l.identity.last = now
	ctx, cancel := context.WithTimeout(ctx, l.Within()/4)
	defer cancel()
	if err := r.Register(ctx, l.describe(now), registerKeep); err != nil && !errors.Is(err, context.Canceled) {
		l.log.Debug("revocation: register", "error", err)
	}
}

// moduleVersion is the version of Wafer in this program, "devel" if it was not
// built from a release.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if strings.HasSuffix(m.Path, "/wafer") && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
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

// Genesis returns which list l follows now, for tools that read the log of its
// store themselves; zero before it follows one.
func (l *List) Genesis() Genesis {
	if v := l.view.Load(); v != nil {
		return v.head.Genesis
	}
	return Genesis{}
}
