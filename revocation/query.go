package revocation

// A Query is what a session says of itself, from its token or tokens. Reuse
// one Query for [List.Decide], [List.Confirm] and the decision at commit: it
// remembers what was computed. It belongs to one goroutine at a time.
type Query struct {
	Session [16]byte  // the session id itself, not its tag
	Subject Tag       // from List.Tag(Subject(…)); zero: the session has no subject
	Groups  []Tag     // at most 8
	Keys    [2]string // key ids of the session token and of the seen token that counts; "": none
	Epoch   int64     // ep: log time at login, ms
	Checked int64     // chk: no entry at or before this log time matched, ms
	Line    uint32    // ln: the line of that chk

	tag    Tag      // of the session id in of, if tagged
	of     [16]byte // so that a Query used again for another session is not taken for the first
	tagged bool
}

// listed reports whether the list is about this session at all. A session with
// no subject and no groups is never written, asked or refused one by one:
// otherwise one visitor without an account could fill the list.
func (q *Query) listed() bool { return q.Subject != (Tag{}) || len(q.Groups) > 0 }

// An Outcome is what was decided. Its zero value accepts nobody.
type Outcome uint8

const (
	Undecided Outcome = iota // could not be known: 503, never "revoked"
	Accept
	Refuse
	Ask // Confirm must be called; only Decide returns it
)

// String returns "undecided", "accept", "refuse" or "ask".
func (o Outcome) String() string {
	return [...]string{"undecided", "accept", "refuse", "ask"}[o&3]
}

// A Reason says why a session was refused or could not be decided.
type Reason uint8

const (
	None Reason = iota
	RevokedSession
	RevokedSubject
	RevokedGroup
	RevokedKey
	RevokedEveryone
	ListLost // the store lost its data and nobody can say whether this session was revoked
	Stale    // last checked longer ago than the list remembers: expired, whatever exp says
	Silent   // the store did not answer, or too many were asking
)

// String returns the name used in metrics and logs.
func (r Reason) String() string {
	names := [...]string{"", "revoked_session", "revoked_subject", "revoked_group", "revoked_key",
		"revoked_everyone", "list_lost", "expired_idle", "undecided"}
	if int(r) < len(names) {
		return names[r]
	}
	return "unknown"
}

// A Verdict is the answer to a Query.
type Verdict struct {
	Outcome Outcome
	Reason  Reason
	// Fresh: decided by a view no older than Config.Within, or by the store itself.
	Fresh bool
	// Renew: the tokens may be sealed again with the Checked and Line below. Never
	// set where a renewal could carry a session past a revocation that this replica
	// has not read: while it is out of touch with the store, and for Config.Within
	// after another server became the primary.
	Renew   bool
	Checked int64  // ms of log time
	Line    uint32 // the line of Checked
}

// A Start is what a new token carries.
type Start struct {
	Epoch   int64  // ms of log time
	Checked int64  // ms of log time
	Line    uint32 // the line of Checked
}

// An Instant is a moment of log time, from [List.Now]. The zero Instant is not
// a moment.
type Instant struct{ ms int64 }

// IsZero reports whether i is no moment.
func (i Instant) IsZero() bool { return i.ms == 0 }

// A Login describes a session about to begin, so that it begins after every
// revocation of its subject and groups that there is.
type Login struct {
	Subject Tag
	Groups  []Tag
	Since   Instant // when the password began to be checked; zero: not given
}

// A Succession says how one session follows another. The old one ends in the same
// step, and one that is revoked at that moment has no successor.
type Succession struct {
	Kind  Kind
	Login Login // the new session's subject and groups; of Others and Switch, Subject is the old one's
}

// A Kind of succession.
type Kind uint8

const (
	// Switch gives the session other groups and keeps its login time.
	Switch Kind = iota + 1
	// Others ends every other session of the subject.
	Others
	// Relogin begins a new session over the old one.
	Relogin
)
