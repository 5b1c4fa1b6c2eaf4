package httpmw

import "sync/atomic"

// Stats are the counters of one Manager since it was made.
type Stats struct {
	Anonymous  uint64            // requests without a session cookie that counts
	Accepted   uint64            // sessions accepted
	Refused    map[string]uint64 // sessions refused or undecided, by the name that Reason returns
	Written    uint64            // session cookies written
	Renewed    uint64            // renewal cookies written
	Shared     uint64            // of these, renewals that an earlier request had sealed
	Unsealed   uint64            // renewals that were due and could not be sealed
	Withheld   uint64            // cookies not written because the session was revoked meanwhile
	Expired    uint64            // cookies expired by a logout
	Lookups    uint64            // searches for an unknown key, or for the successor of a revoked one
	Unsealable uint64            // tokens not sealed because the ring's sealing key is revoked: ErrSealingKeyRevoked
	Spent      uint64            // session and bearer tokens not sealed because the key is spent: keys.ErrSpent
	Spared     uint64            // renewals not sealed because the key is close to that; they are in Unsealed too
	Seals      map[string]uint64 // tokens sealed, by the id of the key, for the keys of the ring
	Early      uint64            // tokens sealed with a key before its time, because the clock of this machine is behind
	Retagged   uint64            // sessions that named the tag of another subject; it was corrected
}

type counters struct {
	anonymous, accepted, written, renewed, shared, unsealed, withheld, expired, lookups, retagged, unsealable, spent, spared, early atomic.Uint64

	refused     [len(refusals)]atomic.Uint64
	warned      [len(refusals)]minutely
	warnedTag   minutely
	warnedKey   minutely
	warnedSpent minutely
	warnedClock minutely
	plain       atomic.Bool // the warning about plain http was given
}

// Stats returns the present counters.
func (m *Manager[T]) Stats() Stats {
	n := &m.core.count
	s := Stats{
		Anonymous: n.anonymous.Load(), Accepted: n.accepted.Load(), Written: n.written.Load(),
		Renewed: n.renewed.Load(), Shared: n.shared.Load(), Unsealed: n.unsealed.Load(), Withheld: n.withheld.Load(),
		Expired: n.expired.Load(), Lookups: n.lookups.Load(), Retagged: n.retagged.Load(), Unsealable: n.unsealable.Load(), Early: n.early.Load(),
		Spent: n.spent.Load(), Spared: n.spared.Load(),
		Refused: make(map[string]uint64, len(refusals)), Seals: map[string]uint64{},
	}
	for _, k := range m.core.keys.Ring().Keys() {
		s.Seals[k.ID()] = m.core.sealer.Seals(k.ID())
	}
	for i := range refusals {
		s.Refused[refusals[i].name] = n.refused[i].Load()
	}
	return s
}
