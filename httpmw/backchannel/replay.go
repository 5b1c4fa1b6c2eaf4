package backchannel

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
)

// maxUsed bounds how many tokens this process remembers. With more logouts within the life of a token it forgets the oldest, which are then
// still known to the list.
const maxUsed = 1 << 14

// A memory knows the tokens that were acknowledged, until they expire.
type memory struct {
	mu    sync.Mutex // owns what follows
	known map[[32]byte]used
	order [][32]byte // as they came
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

// digests name a token and what it ends, without holding either.
func (t *logoutToken) digests() (jti, logout [32]byte) {
	return sha256.Sum256([]byte(t.jti)), sha256.Sum256([]byte(group("sid", t.Issuer, t.Session) + "\x00" + t.Subject))
}

// mark is a group without sessions, whose revocation tells all replicas that the token was used. Sent again, to a replica that has not seen it,
// the token would otherwise end sessions that began after it: a user's, and those of a session at the provider that goes on.
func (t *logoutToken) mark() revocation.Target {
	_, logout := t.digests()
	return revocation.Group(group("used", t.Issuer, t.jti+"\x00"+string(logout[:])))
}
