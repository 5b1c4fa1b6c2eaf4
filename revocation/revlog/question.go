package revlog

import (
	"slices"
	"time"
)

// A Question names everything that could revoke one session.
type Question struct {
	List    ListID
	Session Tag   // zero: none
	Subject Tag   // zero: none
	Groups  []Tag // at most 8
	Keys    []Tag // at most 2
	Epoch   int64
	// LoggedIn and Loaded are when the user logged in and when the data of the session was loaded:
	// entries up to before them ask nothing of the session any more. Zero: every entry asks. They
	// are Forever for a session that ends with its user's login.
	LoggedIn int64
	Loaded   int64
	Checked  int64
	Skew     time.Duration // what AtNow adds, and the tolerance for Epoch and Checked
}

// names returns the keys that q asks about. The first one that is revoked is the reason to refuse.
func (q Question) names() (all []Key) {
	if q.Session != (Tag{}) {
		all = append(all, Key{Scope: ScopeSession, Tag: q.Session})
	}
	all = append(all, Key{Scope: ScopeEveryone})
	if q.Subject != (Tag{}) {
		all = append(all, Key{Scope: ScopeSubject, Tag: q.Subject})
	}
	for _, t := range q.Groups {
		all = append(all, Key{Scope: ScopeGroup, Tag: t})
	}
	for _, t := range q.Keys {
		all = append(all, Key{Scope: ScopeKey, Tag: t})
	}
	return all
}

// Names reports whether q asks about k, whatever its effect.
func (q Question) Names(k Key) bool {
	k.Effect = 0
	return slices.Contains(q.names(), k)
}

// An Answer holds the entries in force, of every effect, among those that a Question names.
type Answer struct {
	Head      Head
	Now       int64         // max(the store's clock, log time), ms
	Heartbeat time.Duration // age of the last heartbeat
	Found     []Entry       // with their proofs, without positions
}

// W returns the W in force for k, or 0 if there is no entry of k.
func (a Answer) W(k Key) (w int64) {
	for _, e := range a.Found {
		if e.Key() == k {
			w = max(w, e.W)
		}
	}
	return w
}

// Highest returns the highest W in force of subject, groups and everyone.
func (a Answer) Highest() (w int64) {
	for _, e := range a.Found {
		if e.Scope == ScopeSubject || e.Scope == ScopeGroup || e.Scope == ScopeEveryone {
			w = max(w, e.W)
		}
	}
	return w
}

// Ended returns the highest W in force of entries about subject, groups and everyone that end sessions
// or require a login.
func (a Answer) Ended() (w int64) {
	for _, e := range a.Found {
		if e.Does() != Reload && (e.Scope == ScopeSubject || e.Scope == ScopeGroup || e.Scope == ScopeEveryone) {
			w = max(w, e.W)
		}
	}
	return w
}

// Closes reports whether log time must move by 1 ms after the answer a. now is the store's clock.
// Several watermarks may share a ms. But once the store has told a caller the time, or a login time
// past those watermarks, later watermarks must fall into another ms.
func (a Answer) Closes(q Question, now int64) bool {
	switch {
	case q.Session != Tag{}:
		return false
	case q.Subject == Tag{} && len(q.Groups) == 0:
		return a.Head.MS >= now
	}
	return slices.ContainsFunc(a.Found, func(e Entry) bool { // another one may lie further ahead, if it is forged
		return e.Scope != ScopeSession && e.Scope != ScopeKey && e.W == a.Head.MS+q.Skew.Milliseconds()
	})
}

// applies reports whether e is about the session of q.
func (q Question) applies(e Entry) bool {
	k := e.Key()
	after := q.LoggedIn
	switch {
	case e.W == 0 || !q.Names(k):
		return false
	case k.Always():
		return true
	case k.Effect == End:
		after = q.Epoch
	case k.Effect == Reload:
		after = q.Loaded
	}
	return e.W >= after
}

// Asks returns what the entries in a ask of the session of q.
func (a Answer) Asks(q Question) (asks Asks) {
	for _, e := range a.Found {
		if q.applies(e) {
			asks |= e.Does().Asks()
		}
	}
	return asks
}

// Judge decides q from a, and says by which scope a session is revoked. Scopes combine by OR: a
// revocation of one scope never hides one of another.
func (a Answer) Judge(q Question) (Finding, Scope) {
	asked := false
	for _, e := range a.Found {
		switch {
		case !q.applies(e):
		case e.Does() == End, e.Does() == EndSlowly && a.Now >= e.Out(q.Session):
			return FoundRevoked, e.Scope
		default:
			asked = true
		}
	}
	skew := q.Skew.Milliseconds()
	switch {
	case q.Epoch > a.Now+skew:
		return FoundAhead, 0
	case q.Checked < a.Head.Born || q.Checked > a.Head.MS+skew:
		return FoundUnknown, 0
	case asked:
		return FoundAsks, 0
	}
	return FoundNothing, 0
}

// A Finding says what the exact set knows about a question.
type Finding uint8

const (
	FoundNothing Finding = iota // not revoked, and nothing is asked of it
	FoundRevoked
	FoundUnknown // the list may lack something for a session last checked at that time
	FoundAhead   // the session claims to have begun after now
	FoundAsks    // not revoked, but there are entries that ask something of it, see [Answer.Asks]
)
