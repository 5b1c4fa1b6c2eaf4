package backchannel

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
)

// maxUsed is how many tokens this process remembers. If there are more logouts within the life of a
// token, it forgets the oldest; the list still knows those.
const maxUsed = 1 << 14

// A memory holds the tokens that were acknowledged, until they expire.
type memory struct {
	mu    sync.Mutex // owns the fields below
	known map[[32]byte]used
	order [][32]byte // in the order of arrival
}

type used struct {
	logout [32]byte // what it ended
	until  time.Time
}

// find returns what the token of that jti ended, if it is still known.
func (m *memory) find(jti [32]byte, now time.Time) (logout [32]byte, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, known := m.known[jti]
	return u.logout, known && now.Before(u.until)
}

// add remembers a token and reports whether it is new.
func (m *memory) add(jti, logout [32]byte, now, until time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u, known := m.known[jti]; known && now.Before(u.until) {
		return false
	}
	if m.known == nil {
		m.known = map[[32]byte]used{}
	}
	for len(m.order) > 0 && (len(m.known) >= maxUsed || !now.Before(m.known[m.order[0]].until)) {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
	m.known[jti] = used{logout, until}
	m.order = append(m.order, jti)
	return true
}

// digests identify a token and what it ends, without containing either.
func (t *logoutToken) digests() (jti, logout [32]byte) {
	return sha256.Sum256([]byte(t.jti)), sha256.Sum256([]byte(group("sid", t.Issuer, t.Session) + "\x00" + t.Subject))
}

// mark returns a group without sessions. Revoking it tells all replicas that the token was used.
// Otherwise the token could be sent again, to another replica, and would end sessions that began
// after it: those of a user, or those of a session at the provider that goes on.
func (t *logoutToken) mark() revocation.Target {
	_, logout := t.digests()
	return revocation.Group(group("used", t.Issuer, t.jti+"\x00"+string(logout[:])))
}
