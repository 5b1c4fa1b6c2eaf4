package rediskeys

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/keys"
)

// Create stores a ring in a Redis that has none under this prefix. If there is one already, the error
// is [fs.ErrExist] and nothing is written. While Redis does not answer, Create tries again, as [Open]
// does.
//
// If Redis had lost an older ring, the processes that have it write it back, in place of the one that
// Create stored. So after it has stored a ring that was just made, Create waits as long as Open does
// with [Config].Create. If the older ring is back then, the error is fs.ErrExist.
//
// Create is for tools. Applications use Config.Create.
func Create(ctx context.Context, o *redis.UniversalOptions, k keys.KEK, ring *keys.Ring, c Config) error {
	c.Create = false
	r, err := connect(o, k, c)
	if err != nil {
		return err
	}
	defer r.client.Close()
	k = k.Once()
	if err := r.retry(ctx, func() error { return r.store(ctx, k, ring) }); err != nil {
		return err
	}
	err = r.beSure(ctx, k)
	if errors.Is(err, keys.ErrKEK) || err == nil && r.ring.Load().ID() != ring.ID() {
		return r.exists()
	}
	return err
}

// store stores a ring where there is none.
func (r *Ring) store(ctx context.Context, k keys.KEK, ring *keys.Ring) error {
	if err := r.safe(ctx); err != nil {
		return err
	}
	done, err := r.put(ctx, k, nil, ring, nil)
	if err != nil || done {
		return err
	}
	// There is a ring. It may be this one, if the answer to an earlier attempt was lost.
	err = r.load(ctx, k)
	switch {
	case err == nil && same(r.ring.Load(), ring):
		return nil
	case err == nil, errors.Is(err, keys.ErrKEK), errors.Is(err, keys.ErrDocument):
		return r.exists()
	}
	return err
}

func (r *Ring) exists() error { return fmt.Errorf("rediskeys: %s: %w", r.key, fs.ErrExist) }

// same reports whether two copies of a ring hold the same.
func same(a, b *keys.Ring) bool {
	ab, err := a.Merge(b)
	if err != nil || ab != a {
		return false
	}
	ba, err := b.Merge(a)
	return err == nil && ba == b
}
