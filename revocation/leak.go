package revocation

import (
	"context"
	"errors"
	"time"
)

// RevokeKey ends what somebody could do with a key that leaked. Mark the key in the
// ring first, since only the ring keeps it from sealing. RevokeKey then revokes the
// key, waits until every replica that reaches the store refuses what it sealed, and
// revokes everyone: a session that was forged with the key may have been written anew
// under another key, and nothing tells it from the rest.
//
// It takes about twice [Config.Within]. If the key could not be revoked, key is zero; if
// only everyone could not, everyone is. While the store is silent both are asked for and
// wait to be sent again, as with [List.Revoke]; until the list was joined, see
// [Config.StartWithoutStore], only the key does. Call again to be sure of both. To revoke
// the key alone, call [List.Revoke].
func (l *List) RevokeKey(ctx context.Context, kid string, o Options) (key, everyone Receipt, err error) {
	if key, err = l.Revoke(ctx, Key(kid), o); err != nil {
		if errors.Is(err, ErrUnavailable) {
			l.Revoke(ctx, Everyone(), o) // waits with the key until the store is back
		}
		return Receipt{}, Receipt{}, err
	}
	// Until key.Effective a replica that has not heard may write a forged session anew,
	// and that may say it began as late as S after now. Everyone must come after both:
	// who is revoked is who began before.
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
