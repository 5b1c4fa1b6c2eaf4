package adminapi

import (
	"time"

	"github.com/wafer-sessions/wafer/revocation"
)

// A Revocation is the body of POST /revocations.
type Revocation struct {
	Scope  string  `json:"scope"` // session, subject, group or everyone
	ID     string  `json:"id,omitempty"`
	Before *string `json:"before,omitempty"` // RFC 3339; nil: all sessions that began until now
	Reason string  `json:"reason,omitempty"` // for the audit records
	Actor  string  `json:"actor,omitempty"`  // who asks, as the caller says; for the audit records
}

// A Receipt is the answer to a revocation.
type Receipt struct {
	Position  string    `json:"position"`   // in the list
	Changed   bool      `json:"changed"`    // false: it was revoked to this extent already
	Effective time.Time `json:"effective"`  // every replica that reaches the store refuses from then on
	WorstCase time.Time `json:"worst_case"` // every other replica refuses from then on
	// AheadMS, with Before: how far log time is ahead of the clock, in ms, or behind it if negative.
	// Zero: not by much.
	AheadMS int64 `json:"ahead_ms,omitempty"`
}

// ReceiptOf returns r as a document.
func ReceiptOf(r revocation.Receipt) Receipt {
	return Receipt{
		Position: r.Position, Changed: r.Changed,
		Effective: r.Effective.UTC(), WorstCase: r.WorstCase.UTC(), AheadMS: r.Ahead.Milliseconds(),
	}
}

// A Question is the body of POST /revocations/lookup.
type Question struct {
	Scope string `json:"scope"` // session, subject, group, key or everyone
	ID    string `json:"id,omitempty"`
}

// A Finding is the answer to a Question.
type Finding struct {
	Revoked bool   `json:"revoked"`
	Tag     string `json:"tag"` // what stands for the id in audit records and in the list, in hexadecimal
	// Since: sessions that began at or before it are refused. Absent for a session and a key, which are
	// refused whenever they began.
	Since *time.Time `json:"since,omitempty"`
	// Until: the list remembers the revocation at least until then. Absent: not known.
	Until *time.Time `json:"until,omitempty"`
	// Partial: the store did not answer, and the rest is what this replica knows.
	Partial bool `json:"partial,omitempty"`
}

// FindingOf says what List.Revoked returned for t. partial: the store did not answer.
func FindingOf(l *revocation.List, t revocation.Target, since time.Time, revoked, partial bool) Finding {
	f := Finding{Revoked: revoked, Tag: l.Tag(t).String(), Partial: partial}
	if !revoked || since.IsZero() {
		return f
	}
	f.Since = moment(since)
	// The list remembers it for so long from when it was asked for, which is never sooner than this.
	r := l.Replica()
	if kept := r.RemembersAt(since.UnixMilli()); kept > 0 {
		f.Until = moment(since.Add(kept - r.Within()))
	}
	return f
}
