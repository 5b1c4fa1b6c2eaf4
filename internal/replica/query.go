package replica

import "github.com/wafer-sessions/wafer/revocation/revlog"

// A Query is what a session says about itself, from its token or tokens. Use one Query for
// [Replica.Decide], [Replica.Confirm] and the decision before the response leaves: it
// remembers what was computed. It belongs to one goroutine at a time.
type Query struct {
	Session [16]byte   // the session id itself, not its tag
	Subject revlog.Tag // from Replica.Tag; zero: the session has no subject
	Keys    [2]string  // key ids of the session token and of the renewal token that counts; "": none
	Epoch   int64      // ep: log time at login, ms
	Checked int64      // chk: no entry at or before this log time matched, ms
	Loaded  int64      // ld: log time when the data of the session was loaded, ms; 0: at login
	Term    uint32     // ln: the term of that chk
	// LoadedTerm is the term in which Loaded was taken, as Loading returns it. Zero: not known, as for
	// a Loaded from a token; Term counts.
	LoadedTerm uint32

	GroupTags [8]revlog.Tag // of the groups; the first Groups of them count
	Groups    int

	tag    revlog.Tag // of the session id in of, if tagged
	of     [16]byte   // so that a Query used again for another session is not taken for the first
	tagged bool
}

// listed reports whether the list holds revocations of this session one by one. A session
// without a subject and groups is never written to the list and never asked about.
// Otherwise one visitor without an account could fill the list.
func (q *Query) listed() bool { return q.Subject != (revlog.Tag{}) || q.Groups > 0 }

// groups returns the tags of the groups. They are part of q.
func (q *Query) groups() []revlog.Tag { return q.GroupTags[:q.Groups] }

// SetGroups sets the groups of q. Only the first 8 tags count.
func (q *Query) SetGroups(tags ...revlog.Tag) { q.Groups = copy(q.GroupTags[:], tags) }

// An Outcome is what a decision says. The zero value accepts no session.
type Outcome uint8

const (
	Undecided Outcome = iota // nobody can tell now: 503, never "revoked"
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

// revokedBy returns the reason for a revocation of scope s.
func revokedBy(s revlog.Scope) Reason {
	switch s {
	case revlog.ScopeSession:
		return RevokedSession
	case revlog.ScopeSubject:
		return RevokedSubject
	case revlog.ScopeGroup:
		return RevokedGroup
	case revlog.ScopeKey:
		return RevokedKey
	case revlog.ScopeEveryone:
		return RevokedEveryone
	}
	return None
}

// A Verdict is the answer to a Query.
type Verdict struct {
	Outcome Outcome
	Reason  Reason
	// Fresh: decided by a view no older than Config.Within, or by the store itself.
	Fresh bool
	// Extend: the idle limit may be extended, with the Checked and Term that the tokens
	// have now. Renew implies it.
	Extend bool
	// Renew: the tokens may be sealed again with the Checked and Term below. It is not set
	// when a renewal could carry a session past a revocation that this replica has not
	// read: while the replica is out of step, and for Config.Within after another server
	// became the primary.
	Renew   bool
	Checked int64  // ms of log time
	Term    uint32 // the term of Checked
	// Asks is what entries ask of an accepted session before it may be used, see revlog.Effect. The
	// session is not renewed until that is done.
	Asks revlog.Asks
}

// A Start is what a new token carries.
type Start struct {
	Epoch   int64  // ms of log time
	Loaded  int64  // ms of log time; 0: Epoch
	Checked int64  // ms of log time
	Term    uint32 // the term of Checked
}

// A Login describes a session that is about to begin after all revocations of its subject
// and groups so far.
type Login struct {
	Subject revlog.Tag
	Groups  []revlog.Tag
	Since   int64 // log time when the password began to be checked, ms; 0: not given
}

// A Succession says how one session follows another. The old session ends in the same step.
// If it is revoked at that moment, it has no successor.
type Succession struct {
	Kind  Kind
	Login Login // the new session's subject and groups; of Others and SetGroups, Subject is the old one's
	// Keeps: the new session gets the data of the old one. The other kinds keep it anyway. Then an entry
	// that has the data loaded again still asks that after a login (R36).
	Keeps bool
}

// A Kind of succession.
type Kind uint8

const (
	// SetGroups gives the session other groups and keeps its login time.
	SetGroups Kind = iota + 1
	// Others ends every other session of the subject.
	Others
	// Relogin begins a new session over the old one.
	Relogin
)
