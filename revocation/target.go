package revocation

import (
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"unique"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A Target names what to revoke. The zero Target is invalid.
type Target struct {
	scope revlog.Scope
	id    unique.Handle[string] // compares as the string does, and prints as an address; zero: ""
}

// Session names one session by its id, the 22 characters of Session.ID.
func Session(sid string) Target { return TargetOf(revlog.ScopeSession, sid) }

// Subject names every session of one subject.
func Subject(id string) Target { return TargetOf(revlog.ScopeSubject, id) }

// Group names every session that was put into a group at login, such as "tenant:7".
func Group(name string) Target { return TargetOf(revlog.ScopeGroup, name) }

// Key names every session that the key with this id sealed. The ring tells the same to processes
// that have its newest copy. The list tells every replica within [Config.Within], and remembers the
// key for 11 years, which is longer than anything the key sealed can live. So an old copy of the
// ring does not bring the key back.
func Key(kid string) Target { return TargetOf(revlog.ScopeKey, kid) }

// Everyone names every session there is.
func Everyone() Target { return Target{scope: revlog.ScopeEveryone} }

// TargetOf builds a Target from a scope and an id, as administrators type them.
func TargetOf(s revlog.Scope, id string) Target {
	t := Target{scope: s}
	if id != "" {
		t.id = unique.Make(id)
	}
	return t
}

func (t Target) name() string {
	if t.id == (unique.Handle[string]{}) {
		return ""
	}
	return t.id.Value()
}

// Scope returns what kind of thing t names.
func (t Target) Scope() revlog.Scope { return t.scope }

// String returns the scope alone: an id may be a person's, and targets get logged.
func (t Target) String() string { return t.scope.String() }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (t Target) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// LogValue implements [slog.LogValuer].
func (t Target) LogValue() slog.Value { return slog.StringValue(t.String()) }

const maxID = 256 // bytes of a subject, group or key id

// Check returns an [ErrTarget] that says why t cannot be revoked, or nil.
func (t Target) Check() error {
	switch t.scope {
	case revlog.ScopeSession:
		if _, ok := parseSessionID(t.name()); !ok {
			return fmt.Errorf("%w: a session id must be 22 base64url characters", ErrTarget)
		}
	case revlog.ScopeSubject, revlog.ScopeGroup, revlog.ScopeKey:
		if n := len(t.name()); n == 0 || n > maxID {
			return fmt.Errorf("%w: the id of a %v must have 1 to %d bytes", ErrTarget, t.scope, maxID)
		}
	case revlog.ScopeEveryone:
		if t.name() != "" {
			return fmt.Errorf("%w: Everyone takes no id", ErrTarget)
		}
	default:
		return fmt.Errorf("%w: no known scope: use Session, Subject, Group, Key or Everyone", ErrTarget)
	}
	return nil
}

func parseSessionID(s string) (id [16]byte, ok bool) {
	if len(s) != 22 {
		return id, false
	}
	// Decode skips line breaks, so the right length alone does not rule out a second spelling.
	n, err := base64.RawURLEncoding.Strict().Decode(id[:], []byte(s))
	return id, err == nil && n == len(id)
}
