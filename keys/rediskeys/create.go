package rediskeys

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/keys"
)

// Create stores a ring in a Redis that has none under this prefix. If there is one already, the error
// is [fs.ErrExist] and nothing is written. If Redis had lost an older ring, the processes that have it
// write it back within seconds, in place of the one that Create stored.
//
// Create is for tools. Applications use [Config].Create.
func Create(ctx context.Context, o *redis.UniversalOptions, k keys.KEK, ring *keys.Ring, c Config) error {
	r, err := connect(o, k, c)
	if err != nil {
		return err
	}
	defer r.client.Close()
	k = k.Once()
	if err := r.safe(ctx); err != nil {
		return err
	}
	done, err := r.put(ctx, k, nil, ring, nil)
	if err != nil || done {
		return err
	}
	// There is a ring. It may be this one, if the answer to the first attempt was lost.
	if r.load(ctx, k) == nil && same(r.ring.Load(), ring) {
		return nil
	}
	return fmt.Errorf("rediskeys: %s: %w", r.key, fs.ErrExist)
}

// same reports whether two copies of a ring hold the same.
func same(a, b *keys.Ring) bool {
	ab, err := a.Merge(b)
	if err != nil || ab != a {
		return false
	}
	ba, err := b.Merge(a)
	return err == nil && ba == b
}
