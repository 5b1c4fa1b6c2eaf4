package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// patience is how long one dial, write or read may take where the options leave
// it open: a replica that waits longer would be stale when the answer comes.
const patience = 500 * time.Millisecond

// ourOptions fills in what o leaves open. The defaults of the client would let
// one command of a server that hangs take half a minute.
func ourOptions(o *redis.UniversalOptions) *redis.UniversalOptions {
	n := *o
	for _, d := range []*time.Duration{&n.DialTimeout, &n.ReadTimeout, &n.WriteTimeout, &n.PoolTimeout} {
		if *d == 0 {
			*d = patience
		}
	}
	if n.MaxRetries == 0 {
		n.MaxRetries = 1 // a write sent twice revokes no less; those that may be sent only once see to it
	}
	if n.DialerRetries == 0 {
		n.DialerRetries = 1
	}
	if n.PipelinePoolSize == 0 {
		n.PipelinePoolSize = -1 // one pool is enough
	}
	if n.Protocol == 0 {
		n.Protocol = 2 // nothing that is pushed is of use
	}
	if n.MaintNotificationsConfig == nil {
		n.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
	n.ContextTimeoutEnabled = true
	n.DisableIdentity = true // one command less that an ACL must allow
	return &n
}

// checkOptions refuses clients that would not see what was written (R8).
func checkOptions(o *redis.UniversalOptions, c Config) error {
	if o == nil {
		return errors.New("redisstore: Open: nil options (use redisstore.ParseURL, or fill in redis.UniversalOptions)")
	}
	for _, bad := range []struct {
		set  bool
		name string
	}{{o.ReadOnly, "ReadOnly"}, {o.RouteByLatency, "RouteByLatency"}, {o.RouteRandomly, "RouteRandomly"}} {
		if bad.set {
			return fmt.Errorf("%w: UniversalOptions.%s lets replicas be read, which may be behind", ErrUnsafe, bad.name)
		}
	}
	for _, r := range c.prefix() {
		if r == '{' || r == '}' || r <= ' ' {
			return errors.New("redisstore: Config.Prefix holds a brace, a space or a control character")
		}
	}
	return nil
}
