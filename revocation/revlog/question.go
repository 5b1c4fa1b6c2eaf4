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
	Checked int64
	Skew    time.Duration // what AtNow adds, and the tolerance for Epoch and Checked
}

// names returns the keys that q asks about. The first one that is revoked is the reason to refuse.
func (q Question) names() (all []Key) {
	if q.Session != (Tag{}) {
		all = append(all, Key{ScopeSession, q.Session})
	}
	all = append(all, Key{Scope: ScopeEveryone})
	if q.Subject != (Tag{}) {
		all = append(all, Key{ScopeSubject, q.Subject})
	}
	for _, t := range q.Groups {
		all = append(all, Key{ScopeGroup, t})
	}
	for _, t := range q.Keys {
		all = append(all, Key{ScopeKey, t})
	}
	return all
}

// Names reports whether q asks about k.
func (q Question) Names(k Key) bool { return slices.Contains(q.names(), k) }

// An Answer holds the revocations in force among those that a Question names.
type Answer struct {
	Head      Head
	Now       int64         // max(the store's clock, log time), ms
	Heartbeat time.Duration // age of the last heartbeat
	Found     []Entry       // with their proofs, without positions
}

// W returns the W in force for k, or 0 if k is not revoked.
func (a Answer) W(k Key) (w int64) {
	for _, e := range a.Found {
		if e.Scope == k.Scope && e.Tag == k.Tag {
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
	return a.Highest() == a.Head.MS+q.Skew.Milliseconds()
}

// Judge decides q from a, and says by which scope a session is revoked. Scopes combine by OR: a
// revocation of one scope never hides one of another.
func (a Answer) Judge(q Question) (Finding, Scope) {
	for _, k := range q.names() {
		if w := a.W(k); w > 0 && (w >= q.Epoch || k.Scope == ScopeSession || k.Scope == ScopeKey) {
			return FoundRevoked, k.Scope
		}
	}
	skew := q.Skew.Milliseconds()
	switch {
	case q.Epoch > a.Now+skew:
		return FoundAhead, 0
	case q.Checked < a.Head.Born || q.Checked > a.Head.MS+skew:
		return FoundUnknown, 0
	}
	return FoundNothing, 0
}

// A Finding says what the exact set knows about a question.
type Finding uint8

const (
	FoundNothing Finding = iota // not revoked
	FoundRevoked
	FoundUnknown // the list may lack something for a session last checked at that time
	FoundAhead   // the session claims to have begun after now
)
