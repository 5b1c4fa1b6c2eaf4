package replica

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	registerEvery = 5 * time.Second
	registerKeep  = 3 * registerEvery // a replica that does not register for so long is gone
)

// Replicas is revocation.List.Replicas.
func (l *Replica) Replicas(ctx context.Context) ([]revlog.Replica, error) {
	r, ok := l.store.(revlog.Registrar)
	if !ok {
		return []revlog.Replica{l.describe(time.Now())}, nil
	}
	all, err := r.Replicas(ctx)
	if err != nil {
		return []revlog.Replica{l.describe(time.Now())}, fmt.Errorf("%w: %w", ErrLookup, err)
	}
	slices.SortFunc(all, byHost)
	return all, nil
}

func byHost(a, b revlog.Replica) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.ID, b.ID))
}

// identity is how a replica names itself in the registry.
type identity struct {
	once sync.Once
	id   string
	host string
	// refused is when the store last did not take a registration, in ns since 1970.
	refused atomic.Int64
	// The reader owns these: when this List last registered, the roll that it answered then,
	// and the roll that the store has called since.
	last             time.Time
	answered, called roll
}

// A roll is one call of the roll. A new list and a new primary may have lost the registry, so to them
// a replica registers at once as well.
type roll struct {
	list revlog.ListID
	term uint32
	n    int64
}

func rollOf(p revlog.Page) roll { return roll{p.Head.ID, p.Head.Term(), p.Roll} }

func (i *identity) names() (id, host string) {
	i.once.Do(func() {
		var b [9]byte
		rand.Read(b[:]) // never fails
		i.id = base64.RawURLEncoding.EncodeToString(b[:])
		i.host, _ = os.Hostname()
	})
	return i.id, i.host
}

// describe says how this replica stands, every registerEvery. It copies no counters.
func (l *Replica) describe(now time.Time) revlog.Replica {
	r := revlog.Replica{Version: ModuleVersion(), State: l.state(now), List: l.ListID(), Seen: now}
	if v := l.view.Load(); v != nil {
		r.Age, r.Window, r.Position = v.age(now), v.window(), v.m.String()
	}
	if e := l.census.estimate.Load(); e != nil {
		r.SignedIn = *e
	}
	r.ID, r.Host = l.identity.names()
	r.Keys = l.keyUses.all(now)
	if l.config.Report != nil {
		r.Report = l.config.Report()
	}
	return r
}

// register tells the store that this replica runs, at intervals and when the roll is called.
func (l *Replica) register(ctx context.Context, now time.Time) {
	i := &l.identity
	if now.Sub(i.last) < registerEvery && i.called == i.answered {
		return
	}
	i.last = now
	switch err := l.enlist(ctx, now, registerKeep); {
	case err == nil:
		i.answered = i.called
	case ctx.Err() == nil:
		i.refused.Store(now.UnixNano())
		l.seldom(slog.LevelWarn, "revocation: the store does not take this replica into its registry: a revocation that waits for every replica does not wait for this one",
			"store", l.where(), "error", err)
	}
}

// enlist registers this replica for as long as keep.
func (l *Replica) enlist(ctx context.Context, now time.Time, keep time.Duration) error {
	r, ok := l.store.(revlog.Registrar)
	if !ok || l.config.Observer {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.Within()/4)
	defer cancel()
	return r.Register(ctx, l.describe(now), keep)
}

// ModuleVersion is the version of Wafer in this program, or "devel" if it was not built
// from a release.
func ModuleVersion() string {
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

// ListID returns the id of the list that l follows, for tools that read the log themselves.
// It is zero until l follows a list.
func (l *Replica) ListID() revlog.ListID {
	if v := l.view.Load(); v != nil {
		return v.head.ID
	}
	return revlog.ListID{}
}

// ID returns the id under which l registers with the store.
func (l *Replica) ID() string {
	id, _ := l.identity.names()
	return id
}
