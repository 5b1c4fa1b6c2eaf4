package rediskeys

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/keys"
)

// rotate rotates the ring by a timer, if that is wanted.
func (r *Ring) rotate(ctx context.Context) {
	defer close(r.rotated)
	if r.conf.RotateEvery == 0 {
		return
	}
	rotator := keys.Rotator{Editor: r, Every: r.conf.RotateEvery, Poll: r.conf.Poll, Now: r.now, Logger: r.conf.Logger}
	rotator.Run(ctx)
}

// now returns the time by the server's clock, which is one clock for all processes: a process whose
// own clock is wrong makes no keys before their time.
func (r *Ring) now(ctx context.Context) (time.Time, error) {
	node, err := r.primary(ctx)
	if err != nil {
		return time.Time{}, r.failed(err)
	}
	now, err := node.Time(ctx).Result()
	if redis.HasErrorPrefix(err, "NOPERM") {
		return now, fmt.Errorf("rediskeys: the user at %s may not call TIME; allow it: ACL SETUSER … +time", r.addr)
	} else if err != nil {
		return now, r.failed(err)
	}
	return now, nil
}
