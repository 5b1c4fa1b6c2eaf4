// Package rediscluster helps the Redis client find its way in a Cluster.
package rediscluster

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Look makes a client of a Cluster look up again which server has which slots, if err, which the
// client returned, did not come from a server. The client itself looks this up once a minute, and
// when a server that it can reach redirects it. After a failover from a dead server, it would
// otherwise keep asking the dead one.
//
// Look does not wait. A client runs one lookup at a time, and at most five a second. For other
// kinds of client, Look does nothing.
func Look(client redis.UniversalClient, err error) {
	var reply redis.Error
	if err == nil || errors.As(err, &reply) || errors.Is(err, context.Canceled) {
		return
	}
	if c, ok := client.(*redis.ClusterClient); ok {
		c.ReloadState(context.Background())
	}
}
