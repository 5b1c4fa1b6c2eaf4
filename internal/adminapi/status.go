package adminapi

import (
	"time"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A Status is the list as one replica sees it.
type Status struct {
	Ready    bool    `json:"ready"`
	State    string  `json:"state"`  // booting, synced, stale, cut_off, closed, disabled
	Age      float64 `json:"age"`    // of the view, seconds
	Window   float64 `json:"window"` // how far back the view reaches, seconds
	Position string  `json:"position"`
	Entries  int64   `json:"entries"` // in the window
	Bytes    int64   `json:"bytes"`   // that the window takes in memory
	Outbox   int     `json:"outbox"`  // revocations that the store has not acknowledged yet
	// SignedIn is about how many are signed in at all replicas. Absent: not known, because the replica
	// that answers has accepted no session.
	SignedIn *SignedIn `json:"signed_in,omitempty"`
	Promise  Promise   `json:"promise"`
	Counters Counters  `json:"counters"`
	Now      time.Time `json:"now"`
}

// A SignedIn says about how many are signed in: those who were here within the window. A revocation of
// everyone ends their sessions.
type SignedIn struct {
	Sessions       int64     `json:"sessions"`
	Subjects       int64     `json:"subjects"` // people
	Window         float64   `json:"window"`   // seconds
	ActiveSessions int64     `json:"active_sessions"`
	ActiveSubjects int64     `json:"active_subjects"` // in the last 5 to 10 minutes
	At             time.Time `json:"at"`              // when the replica last heard what the others counted
}

// SignedInOf returns s as a document, nil if nothing is known.
func SignedInOf(s revlog.SignedIn) *SignedIn {
	if s.At.IsZero() {
		return nil
	}
	return &SignedIn{s.Sessions, s.Subjects, s.Window.Seconds(), s.ActiveSessions, s.ActiveSubjects, s.At.UTC()}
}

// A Promise is what the list is configured to keep, in seconds.
type Promise struct {
	Within  float64 `json:"within"`   // a revocation is refused by then
	Grace   float64 `json:"grace"`    // and by then where the store cannot be reached
	MaxIdle float64 `json:"max_idle"` // the longest idle limit of any session of this process
}

// Counters count since the process began.
type Counters struct {
	// Decisions are by how a session was decided ("memory", "frozen", "cache", "store"), and then by outcome.
	Decisions    map[string]map[string]uint64 `json:"decisions"`
	Refusals     map[string]uint64            `json:"refusals"` // by reason
	Confirms     map[string]uint64            `json:"confirms"` // questions about a hit, by how they were answered
	Reads        map[string]uint64            `json:"reads"`
	Writes       map[string]uint64            `json:"writes"`
	Anomalies    map[string]uint64            `json:"anomalies"`
	Denied       uint64                       `json:"denied"`       // filter hits that the store denied
	Acknowledged uint64                       `json:"acknowledged"` // revocations of this replica that the store took
	Full         uint64                       `json:"full"`         // revocations that could not even wait for the store
	Terms        uint64                       `json:"terms"`        // new primaries of the store
	Pauses       uint64                       `json:"pauses"`       // of this process
}

// StatusOf describes l by its counters s.
func StatusOf(l *revocation.List, s revocation.Stats) Status {
	r := l.Replica()
	return Status{
		Ready: l.Ready(), State: s.State, Age: s.Age.Seconds(), Window: s.Window.Seconds(),
		Position: s.Position, Entries: s.Entries, Bytes: s.Bytes, Outbox: s.Outbox,
		SignedIn: SignedInOf(s.SignedIn),
		Promise:  Promise{Within: r.Within().Seconds(), Grace: r.Grace().Seconds(), MaxIdle: r.MaxIdle().Seconds()},
		Counters: countersOf(s),
		Now:      time.Now().UTC(),
	}
}

func countersOf(s revocation.Stats) Counters {
	return Counters{
		Decisions: s.Decisions, Refusals: counted(s.Refusals), Confirms: counted(s.Confirms),
		Reads: counted(s.Reads), Writes: counted(s.Writes), Anomalies: counted(s.Anomalies),
		Denied: s.Denied, Acknowledged: s.Acknowledged, Full: s.Full, Terms: s.Terms, Pauses: s.Pauses,
	}
}

// counted returns n, or an empty map if nothing was counted yet: the document has an object there.
func counted(n map[string]uint64) map[string]uint64 {
	if n == nil {
		return map[string]uint64{}
	}
	return n
}

// Replicas is the answer to GET /replicas.
type Replicas struct {
	Replicas []Replica `json:"replicas"` // nil: not known, because the store does not answer
}

// A Replica is one replica as it last described itself to the store.
type Replica struct {
	ID       string            `json:"id"`
	Host     string            `json:"host"`
	Version  string            `json:"version"` // of Wafer
	State    string            `json:"state"`
	Age      float64           `json:"age"`    // of its view, seconds
	Window   float64           `json:"window"` // seconds
	Position string            `json:"position"`
	Keys     []KeyUse          `json:"keys,omitempty"`   // of its ring, those that are not expired
	Report   map[string]string `json:"report,omitempty"` // what the application adds
	Seen     time.Time         `json:"seen"`
}

// A KeyUse is what a replica knows of a key of its ring.
type KeyUse struct {
	ID      string     `json:"kid"`
	Revoked bool       `json:"revoked,omitempty"`
	Seals   uint64     `json:"seals"`            // of this replica since it started
	Sealed  *time.Time `json:"sealed,omitempty"` // when the key last sealed; absent: never, as far as is known
	Opened  *time.Time `json:"opened,omitempty"` // when it last opened
}

// keyUsesOf returns all as a document.
func keyUsesOf(all []revlog.KeyUse) (out []KeyUse) {
	for _, k := range all {
		out = append(out, KeyUse{k.ID, k.Revoked, k.Seals, moment(k.Sealed), moment(k.Opened)})
	}
	return out
}

// moment returns t in UTC, nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// ReplicasOf returns all as a document.
func ReplicasOf(all []revlog.Replica) Replicas {
	d := Replicas{Replicas: []Replica{}}
	for _, r := range all {
		d.Replicas = append(d.Replicas, Replica{
			ID: r.ID, Host: r.Host, Version: r.Version, State: r.State, Age: r.Age.Seconds(), Window: r.Window.Seconds(),
			Position: r.Position, Keys: keyUsesOf(r.Keys), Report: r.Report, Seen: r.Seen.UTC(),
		})
	}
	return d
}

// Health is the answer of a probe, which anybody may read.
type Health struct {
	Status string `json:"status"` // live, ready
}
