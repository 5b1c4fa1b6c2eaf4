package adminapi

import (
	"context"
	"errors"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A Revocation is the body of POST /revocations.
type Revocation struct {
	Scope  string  `json:"scope"` // session, subject, group or everyone
	ID     string  `json:"id,omitempty"`
	Before *string `json:"before,omitempty"`  // RFC 3339; nil: all sessions that began until now
	Effect string  `json:"effect,omitempty"`  // end, require_login or reload; "": end
	Over   *string `json:"over,omitempty"`    // end one after another over this duration, such as 1h; nil: at once
	Wait   string  `json:"wait,omitempty"`    // "fleet": answer when every replica refuses; "": at once
	Reason string  `json:"reason,omitempty"`  // for the audit records
	Actor  string  `json:"actor,omitempty"`   // who asks, as the caller says; for the audit records
	DryRun bool    `json:"dry_run,omitempty"` // revoke nothing, and answer with a Preview
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
	// EndedBy, with Over: all sessions have ended by then, at every replica that reaches the store.
	EndedBy *time.Time `json:"ended_by,omitempty"`
	Fleet   *Fleet     `json:"fleet,omitempty"` // with Wait
	// AsOf stands for the moment right after it: a request that brings it to an application, for example
	// in the header Wafer-As-Of, is not decided about from before.
	AsOf string `json:"as_of"`
}

// WaitFleet is the value of Revocation.Wait.
const WaitFleet = "fleet"

// A Fleet says which replicas refuse what a revocation ends.
type Fleet struct {
	Complete bool      `json:"complete"` // every registered replica has confirmed it
	Refusing int       `json:"refusing"` // replicas that have
	TookMS   int64     `json:"took_ms"`  // from the acknowledgement until the last of them had
	Behind   []Replica `json:"behind"`   // replicas that have not, as they reported last
}

// FleetOf returns what r says of the replicas. complete: Revoke returned no error.
func FleetOf(r revocation.Receipt, complete bool) *Fleet {
	return &Fleet{complete, r.Fleet, r.Took.Milliseconds(), ReplicasOf(r.Behind).Replicas}
}

// ReceiptOf returns r as a document.
func ReceiptOf(r revocation.Receipt) Receipt {
	return Receipt{
		Position: r.Position, Changed: r.Changed,
		Effective: r.Effective.UTC(), WorstCase: r.WorstCase.UTC(), AheadMS: r.Ahead.Milliseconds(), AsOf: r.AsOf,
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
	// Effects is what else the list does to the sessions.
	Effects []Effect `json:"effects,omitempty"`
	// Partial: the store did not answer, and the rest is what this replica knows.
	Partial bool `json:"partial,omitempty"`
}

// FindingOf asks l about t. With [revocation.ErrLookup], the store did not answer, and l knows of no
// revocation.
func FindingOf(ctx context.Context, l *revocation.List, t revocation.Target) (Finding, error) {
	if err := t.Check(); err != nil {
		return Finding{}, err
	}
	k := revlog.Key{Scope: t.Scope(), Tag: l.Tag(t)}
	f := Finding{Tag: k.Tag.String()}
	all, err := l.Replica().InForce(ctx, k)
	for _, is := range all {
		if k.Effect = is.Effect; k.Effect != revlog.End {
			f.Effects = append(f.Effects, effectOf(k, is.W, is.Over))
			continue
		}
		f.Revoked = true
		if k.Always() {
			continue
		}
		since := time.UnixMilli(is.W)
		f.Since = moment(since)
		// The list remembers it for so long from when it was asked for, which is never sooner than this.
		if kept := l.Replica().RemembersAt(is.W); kept > 0 {
			f.Until = moment(since.Add(kept - l.Replica().Within()))
		}
	}
	if f.Partial = f.Revoked && errors.Is(err, revocation.ErrLookup); f.Partial {
		err = nil // a yes holds, whatever the store would say
	}
	return f, err
}

// Revocations is the answer to GET /revocations: a page of the revocations in the log, newest first.
type Revocations struct {
	Revocations []Listed `json:"revocations"`
	Next        string   `json:"next,omitempty"` // "before" for the next page; absent: this is the last one
}

// A Listed is a revocation in the log.
type Listed struct {
	Position string     `json:"position"`
	At       time.Time  `json:"at"` // when the list took it
	Scope    string     `json:"scope"`
	Tag      string     `json:"tag"`    // what stands for the id, in hexadecimal
	Effect   string     `json:"effect"` // this and the next three: as in Effect
	Since    *time.Time `json:"since,omitempty"`
	Over     string     `json:"over,omitempty"`
	EndedBy  *time.Time `json:"ended_by,omitempty"`
	Until    time.Time  `json:"until"` // the list remembers it at least until then
	// Actor, ClaimedActor and Reason are known for the newest 1024 that this replica made itself, other
	// than for users. The audit records have them for all.
	Actor        string `json:"actor,omitempty"`
	ClaimedActor string `json:"claimed_actor,omitempty"`
	Reason       string `json:"reason,omitempty"`
}

// MaxPage is the most revocations in one page.
const MaxPage = 1000

// RevocationsOf returns a page of the log of l, of one scope or, if that is zero, of all.
func RevocationsOf(ctx context.Context, l *revocation.List, before revlog.Position, limit int, scope revlog.Scope) (Revocations, error) {
	page := Revocations{Revocations: []Listed{}}
	found, next, err := l.Replica().Newest(ctx, before, limit, func(e revlog.Entry) bool { return scope == 0 || e.Scope == scope })
	if err != nil {
		return page, err
	}
	for _, e := range found {
		r := Listed{
			Position: e.Position.String(), At: time.UnixMilli(e.Position.MS).UTC(), Scope: e.Scope.String(), Tag: e.Tag.String(),
			Until: time.UnixMilli(e.Until).UTC(), Actor: e.By.Actor, ClaimedActor: e.By.Claimed, Reason: e.By.Reason,
		}
		does := effectOf(e.Key(), e.W, e.Over())
		r.Effect, r.Since, r.Over, r.EndedBy = does.Effect, does.Since, does.Over, does.EndedBy
		page.Revocations = append(page.Revocations, r)
	}
	if next != (revlog.Position{}) {
		page.Next = next.String()
	}
	return page, nil
}

// Many is the first line of the body of POST /revocations/many. Each other line is an id, as a JSON
// string.
type Many struct {
	Scope  string `json:"scope"`            // session, subject or group
	Effect string `json:"effect,omitempty"` // end; "": end
	Reason string `json:"reason,omitempty"`
	Actor  string `json:"actor,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"` // revoke nothing, and answer with a ManyPreview
}

// A ManyReceipt is the answer to POST /revocations/many.
type ManyReceipt struct {
	Position  string    `json:"position"`   // of the newest entry in the log, which has none of these
	Count     int       `json:"count"`      // ids in the body
	Changed   bool      `json:"changed"`    // false: all were revoked already
	Effective time.Time `json:"effective"`  // every replica that reaches the store refuses from then on
	WorstCase time.Time `json:"worst_case"` // every other replica refuses from then on
	AsOf      string    `json:"as_of"`      // as in Receipt
}

// ManyReceiptOf returns r, of n revocations, as a document.
func ManyReceiptOf(r revocation.Receipt, n int) ManyReceipt {
	return ManyReceipt{
		Position: r.Position, Count: n, Changed: r.Changed,
		Effective: r.Effective.UTC(), WorstCase: r.WorstCase.UTC(), AsOf: r.AsOf,
	}
}
