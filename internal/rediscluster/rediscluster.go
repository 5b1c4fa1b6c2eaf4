// Package rediscluster helps the Redis client to find its way in a Cluster.
package rediscluster

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Look lets a client of a Cluster look again which server has which slots, if err,
// which it returned, did not come from a server. By itself it looks once a minute,
// and when a server that it can reach sends it elsewhere: after a failover from one
// that is dead it would go on asking that one.
//
// Look does not wait. The client looks once at a time, and five times a second at
// most. Other clients have nothing to look for.
func Look(client redis.UniversalClient, err error) {
	var reply redis.Error
	if err == nil || errors.As(err, &reply) || errors.Is(err, context.Canceled) {
		return
	}
	if c, ok := client.(*redis.ClusterClient); ok {
		c.ReloadState(context.Background())
	}
}
