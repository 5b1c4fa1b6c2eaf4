package revocation

import (
	"context"
	"errors"
	"time"
)

// RevokeKey makes a leaked key useless. Revoke the key in the ring first: only the ring keeps it
// from sealing. RevokeKey then revokes the key in the list, waits until every replica that reaches
// the store refuses what the key sealed, and revokes everyone. The last step is needed because a
// session that was forged with the key may have been sealed again under another key since, and then
// looks like every other session.
//
// It takes about twice [Config.Within]. If it could not revoke the key, key is zero. If it could not
// revoke everyone, everyone is zero. While the store is silent both revocations wait to be sent
// again, as with [List.Revoke]. Before this replica has joined the list, see
// [Config.StartWithoutStore], only the one of the key waits. Call RevokeKey again to be sure of
// both. To revoke the key alone, call [List.Revoke]. Options.Wait is ignored.
func (l *List) RevokeKey(ctx context.Context, kid string, o Options) (key, everyone Receipt, err error) {
	o.Wait = 0
	if key, err = l.Revoke(ctx, Key(kid), o); err != nil {
		if errors.Is(err, ErrUnavailable) {
			l.Revoke(ctx, Everyone(), o) // waits with the key until the store is back
		}
		return Receipt{}, Receipt{}, err
	}
	// Until key.Effective, a replica that has not read the revocation may seal a forged session
	// again. That session may claim to have begun as late as S after now. "Everyone" revokes the
	// sessions that began before it, so it must come after both.
	wait := time.NewTimer(time.Until(key.Effective) + l.replica.Within())
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return key, Receipt{}, ctx.Err()
	}
	o.Before, o.Until = time.Time{}, time.Time{}
	if everyone, err = l.Revoke(ctx, Everyone(), o); err != nil {
		return key, Receipt{}, err
	}
	return key, everyone, nil
}
