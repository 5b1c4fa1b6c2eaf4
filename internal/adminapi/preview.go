package adminapi

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A Preview is the answer to a Revocation with DryRun: what it would do. Nothing was done.
type Preview struct {
	DryRun  bool    `json:"dry_run"` // true
	Summary string  `json:"summary"` // what would be revoked, for people
	Changes bool    `json:"changes"` // false: it is revoked to this extent already
	Found   Finding `json:"found"`   // what the list says of it now, as an answer to a Question
	// SignedIn, for everyone: about how many would be signed out, and at most so many with Before.
	// Absent: not known, as for every other scope, because no replica stores who is signed in.
	SignedIn *SignedIn `json:"signed_in,omitempty"`
}

// PreviewOf says what a revocation of t would do. before is zero for all sessions that began until
// now. signedIn counts for everyone alone; nil: not known. An error is the one that the revocation
// would have, or [revocation.ErrLookup] if the store does not answer.
func PreviewOf(ctx context.Context, l *revocation.List, t revocation.Target, before time.Time, signedIn *SignedIn) (Preview, error) {
	if err := t.Check(); err != nil {
		return Preview{}, err
	}
	if err := l.Replica().Check(t.Scope(), before); err != nil {
		return Preview{}, err
	}
	since, revoked, err := l.Revoked(ctx, t)
	partial := revoked && errors.Is(err, revocation.ErrLookup)
	if err != nil && !partial {
		return Preview{}, err
	}
	p := Preview{DryRun: true, Found: FindingOf(l, t, since, revoked, partial)}
	p.Changes = !revoked || t.Scope() != revlog.ScopeSession && (before.IsZero() || since.Before(before.Truncate(time.Millisecond)))
	if t.Scope() == revlog.ScopeEveryone {
		p.SignedIn = signedIn
	}
	p.Summary = p.summary(t.Scope(), before)
	return p, nil
}

func (p Preview) summary(s revlog.Scope, before time.Time) string {
	if !p.Changes {
		return fmt.Sprintf("This %s is revoked to this extent already. Nothing would change.", noun(s))
	}
	until := "now"
	if !before.IsZero() {
		until = before.UTC().Format(time.RFC3339Nano)
	}
	switch {
	case s == revlog.ScopeSession:
		return "The session with this id would end, if there is one. Nobody keeps a record of who is logged in."
	case s != revlog.ScopeEveryone:
		return fmt.Sprintf("All sessions of this %v that began until %s would end. How many that is, is not known: nobody keeps a record of who is logged in.", s, until)
	case p.SignedIn == nil:
		return fmt.Sprintf("All sessions that began until %s would end. How many that is, is not known: no replica has counted.", until)
	}
	atMost := ""
	if !before.IsZero() {
		atMost = "at most "
	}
	return fmt.Sprintf("All sessions that began until %s would end: %sabout %s, of about %s.",
		until, atMost, About(p.SignedIn.Sessions, "session", "sessions"), About(p.SignedIn.Subjects, "person", "people"))
}

// noun says what was revoked.
func noun(s revlog.Scope) string {
	if s == revlog.ScopeEveryone {
		return "revocation of everyone"
	}
	return s.String()
}

// A ManyPreview is the answer to a Many with DryRun. It does not say which of the ids are revoked
// already: that would be a question to the store for each.
type ManyPreview struct {
	DryRun  bool   `json:"dry_run"` // true
	Summary string `json:"summary"` // what would be revoked, for people
	Count   int    `json:"count"`   // ids in the body
}

// ManyPreviewOf says what a RevokeMany of n targets would do, or returns the error that it would have.
func ManyPreviewOf(l *revocation.List, s revlog.Scope, n int) (ManyPreview, error) {
	if err := l.Replica().Check(revlog.ScopeEveryone, time.Time{}); err != nil { // it needs a view, for sessions too
		return ManyPreview{}, err
	}
	ids := fmt.Sprintf("%d %vs", n, s)
	if n == 1 {
		ids = "1 " + s.String()
	}
	return ManyPreview{true, ids + " would be revoked, past the log. Then the store would be asked once about every session there is. How many sessions would end is not known: nobody keeps a record of who is logged in.", n}, nil
}

// About prints an estimate that is good to 2 %, with two or three digits that count: "41,000 people".
func About(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	unit := int64(1)
	for n/unit >= 1000 {
		unit *= 10
	}
	digits := strconv.FormatInt((n+unit/2)/unit*unit, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " " + many
}
