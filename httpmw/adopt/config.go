package adopt

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/foreign"
	"github.com/wafer-sessions/wafer/token"
)

// Config says which sessions are adopted, and when.
type Config struct {
	// System names the other system, 1 to 248 bytes without NUL. Every adopted session is in the
	// Group of that name.
	System string

	// From is when adopting begins. Zero: when the list began, which is right for a list that
	// begins with the migration. For a list that was in use for longer than its MaxIdle, give a
	// moment before the first replica that adopts is started.
	//
	// The list has to remember what was revoked since From, so a time before revocation.List.Began
	// is refused. While the list is still booting this cannot be known; sessions saved before the
	// list began are then refused one by one.
	//
	// Do not raise the list's MaxIdle, or move From, while sessions are adopted: earlier logouts
	// would not count.
	//
	// If the store loses its data, sessions that were not adopted before have to log in again,
	// unless they were saved after the loss: they get ErrUndecided for a minute, then ErrListLost.
	// If no replica is left that had read the lost data, the loss goes unnoticed: with a From of
	// zero, a session that was logged out before can then be adopted again, and with an earlier
	// From, New returns an error.
	From time.Time

	// Until is when adopting ends. It is required, and at most the list's MaxIdle after From: the
	// list has to remember which old sessions were revoked for as long as they may come.
	Until time.Time
}

const maxSystem = 256 - len(foreign.GroupPrefix) // a group has at most 256 bytes

// New returns an Adopter of sessions to m. It refuses a Config that would let a logout be undone.
func New[T any](m *httpmw.Manager[T], c Config) (*Adopter[T], error) {
	switch {
	case m == nil:
		return nil, fmt.Errorf("adopt: New: nil Manager")
	case c.System == "" || len(c.System) > maxSystem || strings.ContainsRune(c.System, 0):
		return nil, fmt.Errorf("adopt: Config.System: must have 1 to %d bytes without NUL", maxSystem)
	case c.Until.IsZero():
		return nil, fmt.Errorf("adopt: Config.Until is not set: set when the migration ends")
	case !c.Until.After(c.From):
		return nil, fmt.Errorf("adopt: Config.Until is not after From")
	}
	manager := m.Foreign()
	if err := c.checkList(manager); err != nil {
		return nil, err
	}
	manager.KeepGroup(Group(c.System))
	return &Adopter[T]{c, manager, &counters{}}, nil
}

// checkList returns an error if the list does not remember what may have been revoked since From.
func (c Config) checkList(m foreign.Manager) error {
	began, lost := m.Replica.Began()
	from := c.From
	switch {
	case from.IsZero():
		from = began
	case from.Before(began) && !lost:
		return fmt.Errorf("adopt: Config.From is %s, but the list may not know what was revoked before %s, when it began or its MaxIdle was "+
			"raised. If nothing was adopted before that, leave From zero, which means that moment. If something was, the list has lost "+
			"logouts: stop adopting", stamp(from), stamp(began))
	}
	if lost {
		m.Logger.Warn("the revocation list lost data: sessions of the other system that were saved before have to log in again",
			"app", m.App, "system", c.System, "lost", began)
	}
	long, remembered := c.Until.Sub(from), m.Replica.MaxIdle()
	if from.IsZero() || !m.Replica.Enabled() || long <= remembered {
		return nil
	}
	how := "raise MaxIdle of revocation.Config"
	if c.From.IsZero() {
		how += ", or, if the list is older than the migration, give From, a moment before the first replica that adopts is started"
	}
	return fmt.Errorf("adopt: Config.Until is %v after %s, but the list remembers revocations for %v, so a logout could be undone with an old session: %s",
		long, stamp(from), remembered, how)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// active reports whether sessions are adopted now.
func (c Config) active(now time.Time) bool { return !now.Before(c.From) && now.Before(c.Until) }

// began is the moment before which nothing was adopted, so that no adopted session can have been
// revoked before it. It is the zero time if that is not known: then a session is decided like one
// that was last checked when it was saved.
func (a *Adopter[T]) began() time.Time {
	if !a.From.IsZero() {
		return a.From
	}
	if began, lost := a.manager.Replica.Began(); !lost {
		return began
	}
	return time.Time{}
}

// sessionID derives the session id from a credential. Only a holder of the list key can do this, so
// an id does not give away which credential it is of. Without a credential the id is zero.
func (a *Adopter[T]) sessionID(credential []byte) (id token.ID) {
	if len(credential) == 0 {
		return id
	}
	secret := a.manager.Keys.Ring().ListSecret("wafer httpmw: adopted session ids")
	h := hmac.New(sha256.New, secret[:])
	for _, part := range []string{a.manager.App, a.System} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write(credential)
	copy(id[:], h.Sum(nil))
	return id
}
