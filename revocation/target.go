package revocation

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"unique"
)

// A Scope says what kind of thing a revocation names. Its value is the byte
// that stands in the log.
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

func (s Scope) known() bool { _, ok := ParseScope(s.String()); return ok }

// A mark concerns sessions whatever their subject; replicas hold marks whole.
func (s Scope) mark() bool { return s == ScopeKey || s == ScopeEveryone }

// A Target names what to revoke. The zero Target names nothing and is refused.
type Target struct {
	scope Scope
	id    unique.Handle[string] // compares as the string does, and prints as an address; zero: ""
}

// Session names one session by its id, the 22 characters of Session.ID.
func Session(sid string) Target { return TargetOf(ScopeSession, sid) }

// Subject names every session of one subject.
func Subject(id string) Target { return TargetOf(ScopeSubject, id) }

// Group names every session that was attached to a group at login, such as
// "tenant:7".
func Group(name string) Target { return TargetOf(ScopeGroup, name) }

// Key names every session sealed with the key of that id. The ring says the same
// to whoever has its newest copy; the list tells every replica within
// [Config.Within], and remembers the key for 11 years, longer than anything it
// sealed can live: an old copy of the ring does not bring the key back.
func Key(kid string) Target { return TargetOf(ScopeKey, kid) }

// Everyone names every session there is.
func Everyone() Target { return Target{scope: ScopeEveryone} }

// TargetOf builds a Target from a scope and an id, as administrators type them.
func TargetOf(s Scope, id string) Target {
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
func (t Target) Scope() Scope { return t.scope }

// String names the scope only: an id may be a person's, and targets get logged.
func (t Target) String() string { return t.scope.String() }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (t Target) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// LogValue implements [slog.LogValuer].
func (t Target) LogValue() slog.Value { return slog.StringValue(t.String()) }

const maxID = 256 // bytes of a subject, group or key id

func (t Target) check() error {
	switch t.scope {
	case ScopeSession:
		if _, ok := parseSessionID(t.name()); !ok {
			return fmt.Errorf("%w: a session id is 22 base64url characters", ErrTarget)
		}
	case ScopeSubject, ScopeGroup, ScopeKey:
		if n := len(t.name()); n == 0 || n > maxID {
			return fmt.Errorf("%w: the id of a %v has 1 to %d bytes", ErrTarget, t.scope, maxID)
		}
	case ScopeEveryone:
		if t.name() != "" {
			return fmt.Errorf("%w: everyone takes no id", ErrTarget)
		}
	default:
		return fmt.Errorf("%w: no scope", ErrTarget)
	}
	return nil
}

func parseSessionID(s string) (id [16]byte, ok bool) {
	if len(s) != 22 {
		return id, false
	}
	// Decode skips line breaks, so the length alone does not make it one spelling.
	n, err := base64.RawURLEncoding.Strict().Decode(id[:], []byte(s))
	return id, err == nil && n == len(id)
}

// A Tag stands for a session, subject, group or key in the store and in
// filters: a keyed pseudonym, so that the store learns no ids and nobody can
// choose an id that collides with another's filter bits.
type Tag [16]byte

// Secrets gives the secrets derived from the list key, one for each label.
// *keys.Ring is one. The list key never changes in the life of a list: if it
// did, every earlier revocation would be forgotten.
type Secrets interface {
	ListSecret(label string) [32]byte
}

// A tagger computes tags, entry MACs and the check value of the list key.
// Its secrets stand behind functions, where fmt cannot print them.
type tagger struct {
	sid func() cipher.Block // AES-128: a permutation of session ids
	tag func() hash.Hash    // a new HMAC
	mac func() hash.Hash    // a new HMAC
	// check tells two list keys apart without telling anything about them.
	check [16]byte
}

func newTagger(k Secrets) (*tagger, error) {
	sid, tag, mac := k.ListSecret("wafer list: session tags"), k.ListSecret("wafer list: tags"), k.ListSecret("wafer list: entry mac")
	block, err := aes.NewCipher(sid[:16])
	if err != nil {
		return nil, fmt.Errorf("revocation: session tags: %w", err)
	}
	t := &tagger{
		sid: func() cipher.Block { return block },
		tag: func() hash.Hash { return hmac.New(sha256.New, tag[:]) },
		mac: func() hash.Hash { return hmac.New(sha256.New, mac[:]) },
	}
	check := k.ListSecret("wafer list: key check")
	copy(t.check[:], check[:])
	return t, nil
}

func (t *tagger) session(sid [16]byte) (tag Tag) {
	t.seal(&tag, &sid)
	return tag
}

// seal is session for whoever has room for both: what goes through the
// interface of a cipher is allocated otherwise.
func (t *tagger) seal(tag *Tag, sid *[16]byte) { t.sid().Encrypt(tag[:], sid[:]) }

func (t *tagger) of(target Target) (tag Tag) {
	if target.scope == ScopeSession {
		id, _ := parseSessionID(target.name())
		return t.session(id)
	}
	h := t.tag()
	h.Write([]byte{byte(target.scope), 0})
	h.Write([]byte(target.name()))
	copy(tag[:], h.Sum(nil))
	return tag
}

// entryMAC binds an entry to one list and one meaning, so that whoever can
// write to the store cannot revoke by making entries up, or by copying them
// from another list. W and until are set by the store and are not covered.
func (t *tagger) entryMAC(genesis [16]byte, version byte, scope Scope, tag Tag) (mac [8]byte) {
	h := t.mac()
	h.Write(genesis[:])
	h.Write([]byte{version, byte(scope)})
	h.Write(tag[:])
	copy(mac[:], h.Sum(nil))
	return mac
}
