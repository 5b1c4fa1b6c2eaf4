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

func (a *API) revoke(c *call) (any, error) {
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
	if target.Scope() == revlog.ScopeKey {
		return nil, invalid("Revoke a key at /keys/{kid}/revoke, which revokes it in the ring too.")
	}
	way, err := wayOf(asked, target.Scope())
	if err != nil {
		return nil, err
	}
	wait := time.Duration(0)
	switch asked.Wait {
	case "":
	case adminapi.WaitFleet:
		wait = fleetWait
	default:
		return nil, invalid(`"wait" must be fleet, or left out.`)
	}
	if asked.DryRun {
		return a.preview(ctx, target, way)
	}
	answer, err := way.Revoke(ctx, a.list, target, wait)
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// wayOf returns how the sessions of a target are to be revoked.
func wayOf(asked adminapi.Revocation, s revlog.Scope) (w adminapi.Way, err error) {
	switch asked.Effect {
	case "", revlog.End.String():
	case revlog.RequireLogin.String():
		w.Effect = revlog.RequireLogin
	case revlog.Reload.String():
		w.Effect = revlog.Reload
	default:
		return w, invalid(`"effect" must be end, require_login or reload, or left out.`)
	}
	if asked.Over != nil {
		if w.Over, err = parseOver(*asked.Over, w.Effect, s); err != nil {
			return w, err
		}
	}
	switch {
	case asked.Before != nil && w.Over > 0:
		return w, invalid(`"over" does not go with "before": the sessions that end are all that began until now.`)
	case asked.Before != nil:
		w.Before, err = parseBefore(*asked.Before, s)
	}
	return w, err
}

func parseOver(text string, e revlog.Effect, s revlog.Scope) (time.Duration, error) {
	over, err := time.ParseDuration(text)
	switch {
	case err != nil || over < time.Millisecond || over > revlog.MaxOver:
		return 0, invalid(`"over" must be a duration from 1ms to 24h, such as 1h.`)
	case e != revlog.End:
		return 0, invalid(`"over" goes with the effect end only.`)
	case s != revlog.ScopeGroup && s != revlog.ScopeEveryone:
		return 0, invalid(`"over" is for a group or everyone.`)
	}
	return over, nil
}

// preview answers a dry run. It asks the store, and writes neither there nor a record.
func (a *API) preview(ctx context.Context, t revocation.Target, w adminapi.Way) (any, error) {
	p, err := adminapi.PreviewOf(ctx, a.list, t, w, adminapi.SignedInOf(a.list.Stats().SignedIn))
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

func (a *API) lookup(c *call) (any, error) {
	var asked adminapi.Question
	if err := c.read(&asked); err != nil {
		return nil, err
	}
	target, err := targetOf(asked.Scope, asked.ID)
	if err != nil {
		return nil, err
	}
	found, err := adminapi.FindingOf(c.Context(), a.list, target)
	if err != nil {
		return nil, unanswered(err, "The store does not answer, and this replica knows of no revocation. There may be one.")
	}
	return found, nil
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
