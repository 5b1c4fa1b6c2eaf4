package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// patience is how long one dial, write or read may take if the options do not say. A replica that
// waits longer would be stale when the answer comes.
const patience = 500 * time.Millisecond

// ourOptions sets what o does not set. With the defaults of the client, one command to a server
// that hangs could take half a minute.
func ourOptions(o *redis.UniversalOptions) *redis.UniversalOptions {
	n := *o
	for _, d := range []*time.Duration{&n.DialTimeout, &n.ReadTimeout, &n.WriteTimeout, &n.PoolTimeout} {
		if *d == 0 {
			*d = patience
		}
	}
	if n.MaxRetries == 0 {
		n.MaxRetries = 1 // a write may be sent twice; those that must not happen twice have a number
	}
	if n.DialerRetries == 0 {
		n.DialerRetries = 1
	}
	if n.PipelinePoolSize == 0 {
		n.PipelinePoolSize = -1 // one pool is enough
	}
	if n.Protocol == 0 {
		n.Protocol = 2 // the store uses no push messages
	}
	if n.MaintNotificationsConfig == nil {
		n.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
	n.ContextTimeoutEnabled = true
	n.DisableIdentity = true // then an ACL need not allow this command
	return &n
}

// checkOptions refuses options with which the client would not see its own writes (R8).
func checkOptions(o *redis.UniversalOptions, c Config) error {
	if o == nil {
		return errors.New("redisstore: Open: nil options (use redisstore.ParseURL, or fill in redis.UniversalOptions)")
	}
	for _, bad := range []struct {
		set  bool
		name string
	}{{o.ReadOnly, "ReadOnly"}, {o.RouteByLatency, "RouteByLatency"}, {o.RouteRandomly, "RouteRandomly"}} {
		if bad.set {
			return fmt.Errorf("%w: UniversalOptions.%s is set: it reads from replicas, which may be behind; leave it unset", ErrUnsafe, bad.name)
		}
	}
	for _, r := range c.prefix() {
		if r == '{' || r == '}' || r <= ' ' {
			return errors.New("redisstore: Config.Prefix must not contain braces, spaces or control characters")
		}
	}
	return nil
}
