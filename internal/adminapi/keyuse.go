package adminapi

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// What Use.Counted says.
const (
	CountedFleet    = "fleet"    // over all replicas that share the ring, since the key was made
	CountedReplicas = "replicas" // over the replicas that run now, since each of them started
)

// A Use says how a key was used.
type Use struct {
	Seals   uint64     `json:"seals"`            // so far
	Counted string     `json:"counted"`          // over which replicas: fleet or replicas
	Sealed  *time.Time `json:"sealed,omitempty"` // last; absent: never, as far as is known
	Opened  *time.Time `json:"opened,omitempty"` // last; absent: never, as far as is known
}

// Holders says which of the running replicas have a key. Of a revoked key, those have it that know of
// its revocation, or do not know the key.
type Holders struct {
	Of      int      `json:"of"`                // replicas that run and keep sessions
	Have    int      `json:"have"`              // of them, those that have the key
	Sealed  int      `json:"sealed"`            // of them, those that sealed with it since they started
	Missing []Holder `json:"missing,omitempty"` // those that do not have it
}

// A Holder is a replica that keeps sessions.
type Holder struct {
	ID   string `json:"id"`
	Host string `json:"host"`
}

// ReportedRing describes r as it is at now, with what the running replicas report of its keys, and
// what m counts if that is over all of them. A replica that reports no keys does not count: it is a
// command, or a part of an application that keeps no sessions.
func ReportedRing(r *keys.Ring, now time.Time, running []revlog.Replica, m *keys.Meter) Ring {
	running = slices.DeleteFunc(slices.Clone(running), func(r revlog.Replica) bool { return len(r.Keys) == 0 })
	slices.SortFunc(running, func(a, b revlog.Replica) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.ID, b.ID))
	})
	d := RingOf(r, now)
	for i, k := range r.Keys() {
		use, holders := useOf(k, running)
		counted, fleet := CountedReplicas, m.Use(k.ID())
		if fleet.Fleet {
			counted, use = CountedFleet, use.With(revlog.KeyUse{Sealed: fleet.Sealed, Opened: fleet.Opened})
			use.Seals = fleet.Seals
		}
		key := &d.Keys[i]
		if r.State(k, now) != keys.Expired {
			key.Replicas = &holders
		}
		if len(running) == 0 && !fleet.Fleet {
			continue
		}
		key.Use = &Use{Seals: use.Seals, Counted: counted, Sealed: moment(use.Sealed), Opened: moment(use.Opened)}
		if at := keys.Needed(r, k, keys.Use{Sealed: use.Sealed}); at.After(k.Expires()) {
			key.Needed = moment(at)
		}
	}
	return d
}

// WithoutReplicas returns d if it is not known which replicas have the keys.
func (d Ring) WithoutReplicas() Ring {
	d.Keys = slices.Clone(d.Keys)
	for i := range d.Keys {
		d.Keys[i].Replicas = nil
	}
	return d
}

// useOf returns what the replicas report of a key.
func useOf(k keys.Key, running []revlog.Replica) (use revlog.KeyUse, h Holders) {
	h.Of = len(running)
	_, revoked := k.Revoked()
	for _, r := range running {
		i := slices.IndexFunc(r.Keys, func(u revlog.KeyUse) bool { return u.ID == k.ID() })
		var own revlog.KeyUse
		if i >= 0 {
			own = r.Keys[i]
		}
		if revoked && (i < 0 || own.Revoked) || !revoked && i >= 0 {
			h.Have++
		} else {
			h.Missing = append(h.Missing, Holder{r.ID, r.Host})
		}
		if own.Seals > 0 {
			h.Sealed++
		}
		use = use.With(own)
	}
	return use, h
}

// ErrInUse: a living session may still need a key that expired.
var ErrInUse = errors.New("a key that expired may still be needed")

// CheckPrune returns an [ErrInUse] if a pruning at now would remove a key that a living session may
// still need. That happens if a replica sealed with the key although another key had taken over.
func (d Ring) CheckPrune(now time.Time) error {
	for _, k := range d.Prunable() {
		if k.Needed != nil && k.Needed.After(now) {
			return fmt.Errorf("%w: key %s last sealed at %s, long after another key took over. A session may need it until %s. Look for a replica whose clock is wrong, or that does not follow the ring",
				ErrInUse, k.ID, k.Use.Sealed.Format(time.RFC3339), k.Needed.Format(time.RFC3339))
		}
	}
	return nil
}
