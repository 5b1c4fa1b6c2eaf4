package adminapi

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
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

// PreviewOf says what it would do to revoke t in the way w. signedIn counts for everyone alone; nil: not
// known. An error is the one that the revocation would have, or [revocation.ErrLookup] if the store
// does not answer.
func PreviewOf(ctx context.Context, l *revocation.List, t revocation.Target, w Way, signedIn *SignedIn) (Preview, error) {
	if err := t.Check(); err != nil {
		return Preview{}, err
	}
	if err := w.check(l); err != nil {
		return Preview{}, err
	}
	would := replica.Revocation{Scope: t.Scope(), Tag: l.Tag(t), Effect: w.stored(), Over: w.Over, Before: w.Before}
	if err := l.Replica().Check(would); err != nil {
		return Preview{}, err
	}
	found, err := FindingOf(ctx, l, t)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{DryRun: true, Found: found, Changes: found.changedBy(t.Scope(), w)}
	if t.Scope() == revlog.ScopeEveryone {
		p.SignedIn = signedIn
	}
	p.Summary = p.summary(t.Scope(), w)
	return p, nil
}

// changedBy reports whether w changes anything about a target of which f was found.
func (f Finding) changedBy(s revlog.Scope, w Way) bool {
	since, has := f.Since, f.Revoked
	switch {
	case w.Over > 0: // an earlier one is over, or there is none
		return true
	case w.Effect == revlog.End && s == revlog.ScopeSession:
		return !has
	case w.Effect != revlog.End:
		since, has = nil, false
		for _, e := range f.Effects {
			if e.Effect == w.Effect.String() {
				since, has = e.Since, true
			}
		}
	}
	return !has || w.Before.IsZero() || since.Before(w.Before.Truncate(time.Millisecond))
}

func (p Preview) summary(s revlog.Scope, w Way) string {
	if !p.Changes {
		return fmt.Sprintf("%s is %s to this extent already. Nothing would change.", noun(s), done(w))
	}
	until, does := "now", would(w, "their")
	if !w.Before.IsZero() {
		until = w.Before.UTC().Format(time.RFC3339Nano)
	}
	began := "began"
	if w.Effect == revlog.Reload {
		began = "were loaded"
	}
	switch {
	case s == revlog.ScopeSession:
		return fmt.Sprintf("The session with this id would %s, if there is one. Nobody keeps a record of who is logged in.", would(w, "its"))
	case s != revlog.ScopeEveryone:
		return fmt.Sprintf("All sessions of this %v that %s until %s would %s. How many that is, is not known: nobody keeps a record of who is logged in.", s, began, until, does)
	case p.SignedIn == nil:
		return fmt.Sprintf("All sessions that %s until %s would %s. How many that is, is not known: no replica has counted.", began, until, does)
	}
	atMost := ""
	if !w.Before.IsZero() {
		atMost = "at most "
	}
	return fmt.Sprintf("All sessions that %s until %s would %s: %sabout %s, of about %s.",
		began, until, does, atMost, About(p.SignedIn.Sessions, "session", "sessions"), About(p.SignedIn.Subjects, "person", "people"))
}

// would says what would happen to sessions.
func would(w Way, whose string) string {
	switch {
	case w.Effect == revlog.RequireLogin:
		return "be locked until the next login"
	case w.Effect == revlog.Reload:
		return "have " + whose + " data loaded again"
	case w.Over > 0:
		return "end one after another, evenly over " + w.Over.String()
	}
	return "end"
}

// done says what happened to a target.
func done(w Way) string {
	switch w.Effect {
	case revlog.RequireLogin:
		return "locked"
	case revlog.Reload:
		return "to be loaded again"
	}
	return "revoked"
}

// noun says what was revoked.
func noun(s revlog.Scope) string {
	if s == revlog.ScopeEveryone {
		return "Everyone"
	}
	return "This " + s.String()
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
	if err := l.Replica().Check(replica.Revocation{Scope: revlog.ScopeEveryone}); err != nil { // it needs a view, for sessions too
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
