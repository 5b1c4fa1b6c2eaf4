package revlog

import (
	"encoding/hex"
	"fmt"
)

// A Scope says what kind of thing a revocation names. Its value is the byte in the log.
type Scope byte

const (
	ScopeSession  Scope = 's'
	ScopeSubject  Scope = 'u'
	ScopeGroup    Scope = 'g'
	ScopeKey      Scope = 'k'
	ScopeEveryone Scope = 'e'
)

// String returns "session", "subject", "group", "key" or "everyone".
func (s Scope) String() string {
	switch s {
	case ScopeSession:
		return "session"
	case ScopeSubject:
		return "subject"
	case ScopeGroup:
		return "group"
	case ScopeKey:
		return "key"
	case ScopeEveryone:
		return "everyone"
	}
	return fmt.Sprintf("scope(%d)", byte(s))
}

// ParseScope is the inverse of [Scope.String].
func ParseScope(name string) (Scope, bool) {
	for _, s := range []Scope{ScopeSession, ScopeSubject, ScopeGroup, ScopeKey, ScopeEveryone} {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// Known reports whether s is one of the scopes above.
func (s Scope) Known() bool { _, ok := ParseScope(s.String()); return ok }

// Global reports whether an entry of this scope applies to sessions of any subject. Replicas hold
// all global entries.
func (s Scope) Global() bool { return s == ScopeKey || s == ScopeEveryone }

// A Tag stands for a session, subject, group or key in the store and in filters. It is a keyed
// pseudonym: the store learns no ids, and nobody can choose an id whose filter bits collide with
// those of another.
type Tag [16]byte

// String returns t in hexadecimal, as audit records have it.
func (t Tag) String() string { return hex.EncodeToString(t[:]) }
