package rediskeys

import (
	"bytes"
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/keys"
)

// Rewrap encrypts the ring in Redis under another KEK; prefix is that of [Config]. The ring itself
// does not change, so sessions live on. If from does not open the ring, the error is keys.ErrKEK,
// unless to opens it already: then there is nothing to do.
//
// Processes that run with keys.KEKs of both go on as before, and whatever they write from then on
// is under the new KEK. A process that runs with the old KEK alone keeps the ring in memory, and
// logs that the one in Redis no longer opens.
func Rewrap(ctx context.Context, o *redis.UniversalOptions, prefix string, from, to keys.KEK) error {
	r, err := connect(o, from, Config{Prefix: prefix})
	if err != nil {
		return err
	}
	defer r.client.Close()
	from = from.Once()
	for range conflicts {
		old, err := r.get(ctx)
		if err != nil {
			return err
		}
		next, err := keys.Rewrap(ctx, old, from, to)
		if err != nil || bytes.Equal(next, old) {
			return err
		}
		if n, err := r.client.Eval(ctx, swap, []string{r.key}, old, next).Int(); err != nil {
			return r.failed(err)
		} else if n == 1 {
			return nil
		}
	}
	return errConflict
}
