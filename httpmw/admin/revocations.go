package admin

import (
	"context"
	"errors"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// fleetWait is how long a revocation waits for every replica. It ends before timeout.
const fleetWait = timeout - 2*time.Second

func (a *api) revoke(c *call) (any, error) {
	var asked adminapi.Revocation
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	target, err := targetOf(asked.Scope, asked.ID)
	if err != nil {
		return nil, err
	}
	ctx, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	var options revocation.Options
	if target.Scope() == revlog.ScopeKey {
		return nil, invalid("Revoke a key at /keys/{kid}/revoke, which revokes it in the ring too.")
	}
	if asked.Before != nil {
		if options.Before, err = parseBefore(*asked.Before, target.Scope()); err != nil {
			return nil, err
		}
	}
	switch asked.Wait {
	case "":
	case adminapi.WaitFleet:
		options.Wait = fleetWait
	default:
		return nil, invalid(`"wait" must be fleet, or left out.`)
	}
	if asked.DryRun {
		return a.preview(ctx, target, options.Before)
	}
	got, err := a.list.Revoke(ctx, target, options)
	behind := errors.Is(err, revocation.ErrBehind)
	if behind {
		err = nil // the revocation was made
	}
	if err != nil {
		return nil, err
	}
	answer := adminapi.ReceiptOf(got)
	if asked.Wait != "" {
		answer.Fleet = adminapi.FleetOf(got, !behind)
	}
	return answer, nil
}

// preview answers a dry run. It asks the store, and writes neither there nor a record.
func (a *api) preview(ctx context.Context, t revocation.Target, before time.Time) (any, error) {
	p, err := adminapi.PreviewOf(ctx, a.list, t, before, adminapi.SignedInOf(a.list.Stats().SignedIn))
	if errors.Is(err, revocation.ErrLookup) {
		return nil, unavailable("unavailable", "The store does not answer, so it is not known what is revoked already. Nothing was done.")
	}
	return p, err
}

func parseBefore(text string, scope revlog.Scope) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	switch {
	case err != nil:
		return at, invalid(`"before" is not a time in the form of RFC 3339.`)
	case at.Unix() < 0: // a program without a time sends the zero time, which must not mean now
		return at, invalid(`"before" is earlier than 1970. Leave it out to revoke all sessions that began until now.`)
	case scope == revlog.ScopeSession:
		return at, invalid(`A session takes no "before": it is revoked whenever it began.`)
	}
	return at, nil
}

func (a *api) lookup(c *call) (any, error) {
	var asked adminapi.Question
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	target, err := targetOf(asked.Scope, asked.ID)
	if err != nil {
		return nil, err
	}
	since, revoked, err := a.list.Revoked(c.Context(), target)
	partial := revoked && errors.Is(err, revocation.ErrLookup) // a yes holds, whatever the store would say
	if err != nil && !partial {
		return nil, unanswered(err, "The store does not answer, and this replica knows of no revocation. There may be one.")
	}
	return adminapi.FindingOf(a.list, target, since, revoked, partial), nil
}

func targetOf(scope, id string) (revocation.Target, error) {
	s, ok := revlog.ParseScope(scope)
	if !ok {
		return revocation.Target{}, invalid(`"scope" must be session, subject, group, key or everyone.`)
	}
	return revocation.TargetOf(s, id), nil
}

// by returns the context of a change, with who makes it and why: from the caller and from what stands
// in the body.
func (c *call) by(claimed, reason string) (context.Context, error) {
	by := audit.By{Actor: c.caller.Name, Claimed: claimed, Reason: reason, Address: c.RemoteAddr, Via: audit.ViaAdmin}
	if err := by.Check(); err != nil {
		return nil, invalid(sentence(err))
	}
	return audit.With(c.Context(), by), nil
}
