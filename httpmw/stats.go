package httpmw

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/revocation"
)

// Stats are the counters of one Manager since it was made.
type Stats struct {
	Anonymous uint64            // requests without a session cookie that counts
	Accepted  uint64            // sessions accepted
	Refused   map[string]uint64 // sessions refused or undecided, by the name that Reason returns
	Logins    uint64            // sessions that Login or Issue began
	Logouts   map[string]uint64 // sessions that Logout or Revoke ended, and calls of the others, by kind: "logout", "logout_others", "logout_everywhere"
	// LogoutsFailed are logouts that the store did not acknowledge while the caller waited.
	LogoutsFailed uint64
	// Ended are the sessions that ended, by why: how long each had lasted, in seconds. Why is
	// "logout", "login" (another session took its place), or the reason of the first refusal in this
	// process. A session that never comes back after it ended is not there.
	Ended map[string]revocation.Histogram
	// Sizes are the bytes of tokens sent, with the names of their cookies, by kind: "session",
	// "seen" (a renewal), "bearer".
	Sizes         map[string]revocation.Histogram
	Open          revocation.Histogram // time from a request to its accepted session in seconds, of one in 64
	Commit        revocation.Histogram // time to decide again and add cookies to a response in seconds, where there were some
	Written       uint64               // session cookies written
	Renewed       uint64               // renewal cookies written
	Shared        uint64               // of these, renewals that an earlier request had sealed
	Reloaded      uint64               // sessions whose data was loaded again, see Manager.OnReload
	ReloadsFailed uint64               // those for which that failed
	Unsealed      uint64               // renewals that were due and could not be sealed
	Withheld      uint64               // cookies not written because the session was revoked meanwhile
	Expired       uint64               // cookies expired by a logout
	Lookups       uint64               // searches for an unknown key, or for the successor of a revoked one
	Unsealable    uint64               // tokens not sealed because the ring's sealing key is revoked: ErrSealingKeyRevoked
	Spent         uint64               // session and bearer tokens not sealed because the key is spent: keys.ErrSpent
	Spared        uint64               // renewals not sealed because the key is close to that; they are in Unsealed too
	Seals         map[string]uint64    // tokens sealed, by the id of the key, for the keys of the ring
	Early         uint64               // tokens sealed with a key before its time, because the clock of this machine is behind
	Streams       int                  // streams of Tab that are open
	// StreamsRefused are streams of Tab that were refused because too many were open.
	StreamsRefused uint64
	Retagged       uint64 // sessions that named the tag of another subject; it was corrected
}

type counters struct {
	anonymous, accepted, written, renewed, shared, unsealed, withheld, expired, lookups, retagged, unsealable, spent, spared, early, reloaded, reloadsFailed atomic.Uint64

	logins, logoutsFailed atomic.Uint64

	logouts      [len(logoutKinds)]atomic.Uint64
	sizes        [len(tokenKinds)]histogram.Histogram
	open, commit histogram.Histogram

	refused     [len(refusals)]atomic.Uint64
	warned      [len(refusals)]minutely
	warnedTag   minutely
	warnedKey   minutely
	warnedSpent minutely
	warnedClock minutely
	plain       atomic.Bool // the warning about plain http was given
}

var (
	logoutKinds = [...]EventKind{EventLogout, EventLogoutOthers, EventLogoutEverywhere}
	tokenKinds  = [...]string{"session", "seen", "bearer"}
)

const (
	sessionToken = iota // an index of tokenKinds
	renewalToken
	bearerToken
)

// sampled is how many accepted sessions there are for one whose time is taken.
const sampled = 64

// accept counts a session that was accepted in a request that came at began.
func (n *counters) accept(began time.Time) {
	if n.accepted.Add(1)%sampled == 1 { // the first as well, so that a quiet process has some
		n.open.Observe(time.Since(began))
	}
}

// logout counts a logout of a kind, which failed if err is not nil.
func (n *counters) logout(kind EventKind, err error) {
	if err != nil {
		n.logoutsFailed.Add(1)
		return
	}
	for i := range logoutKinds {
		if logoutKinds[i] == kind {
			n.logouts[i].Add(1)
		}
	}
}

// send counts the lines of cookies that are put into a response since began.
func (n *counters) send(kind int, lines []string, began time.Time) {
	size := 0
	for _, line := range lines {
		pair, _, _ := strings.Cut(line, ";")
		size += len(pair)
	}
	n.sizes[kind].Record(float64(size))
	n.commit.Observe(time.Since(began))
}

// Stats returns the present counters.
func (m *Manager[T]) Stats() Stats {
	n := &m.core.count
	s := Stats{
		Anonymous: n.anonymous.Load(), Accepted: n.accepted.Load(), Written: n.written.Load(),
		Renewed: n.renewed.Load(), Shared: n.shared.Load(), Unsealed: n.unsealed.Load(), Withheld: n.withheld.Load(),
		Expired: n.expired.Load(), Lookups: n.lookups.Load(), Retagged: n.retagged.Load(), Unsealable: n.unsealable.Load(), Early: n.early.Load(),
		Spent: n.spent.Load(), Spared: n.spared.Load(),
		Reloaded: n.reloaded.Load(), ReloadsFailed: n.reloadsFailed.Load(),
		Logins: n.logins.Load(), LogoutsFailed: n.logoutsFailed.Load(), Logouts: map[string]uint64{},
		Ended: m.core.ended.all(), Sizes: map[string]revocation.Histogram{}, Open: n.open.Snapshot(), Commit: n.commit.Snapshot(),
		Refused: make(map[string]uint64, len(refusals)), Seals: map[string]uint64{},
	}
	s.Streams, s.StreamsRefused = m.core.streams.Count()
	for i, kind := range logoutKinds {
		s.Logouts[string(kind)] = n.logouts[i].Load()
	}
	for i, kind := range tokenKinds {
		s.Sizes[kind] = n.sizes[i].Snapshot()
	}
	for _, k := range m.core.keys.Ring().Keys() {
		s.Seals[k.ID()] = m.core.sealer.Seals(k.ID())
	}
	for i := range refusals {
		s.Refused[refusals[i].name] = n.refused[i].Load()
	}
	return s
}
