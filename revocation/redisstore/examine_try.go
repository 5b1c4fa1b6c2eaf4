package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// wrote writes a key of its own, reads it back and deletes it: a server may pass the other checks
// and still refuse every write.
func (s *Store) wrote(ctx context.Context) (Finding, error) {
	key := s.prefix + "probe"
	text := "doctor"
	err := s.client.Set(ctx, key, text, time.Second).Err()
	if err == nil {
		var back string
		if back, err = s.client.Get(ctx, key).Result(); err == nil && back != text {
			return Finding{Failing, "write", "a key was written, but another value was read back", "find out what else writes to " + s.prefix + "*"}, nil
		}
	}
	if err == nil {
		err = s.client.Del(ctx, key).Err()
	}
	var refused redis.Error
	switch {
	case err == nil:
		return Finding{Good, "write", "a key was written, read back and deleted", ""}, nil
	case errors.Is(err, redis.Nil):
		return Finding{Failing, "write", "a key was written, but could not be read back", "find out what else writes to " + s.prefix + "*"}, nil
	case redis.HasErrorPrefix(err, "NOPERM"), redis.HasErrorPrefix(err, "READONLY"):
		return Finding{Good, "write", "not tried", ""}, nil // another check reports this
	case !errors.As(err, &refused):
		return Finding{}, s.mapped(err)
	}
	fix := "see the log of the server"
	for prefix, what := range map[string]string{
		"NOREPLICAS": "start the replicas that min-replicas-to-write asks for",
		"OOM":        "raise maxmemory, or find out what fills the memory",
		"MISCONF":    "free disk space, or let the server write to its folder: it cannot save",
	} {
		if redis.HasErrorPrefix(err, prefix) {
			fix = what
		}
	}
	return Finding{Failing, "write", "nothing can be revoked now: the server refused a write: " + refused.Error(), fix}, nil
}

// ack tries WAIT, which only revocation.Config.Ack needs.
func (s *Store) ack(ctx context.Context, node *redis.Client) (Finding, error) {
	err := node.Do(ctx, "wait", 0, 1).Err()
	switch {
	case redis.HasErrorPrefix(err, "NOPERM"):
		return Finding{Warning, "ack", "this user may not call WAIT, which revocation.Config.Ack needs", "ACL SETUSER … +wait, or do not set Ack"}, nil
	case err != nil:
		return Finding{}, s.mapped(err)
	}
	return Finding{Good, "ack", "this user may call WAIT", ""}, nil
}

// acl tries the commands of the scripts on a key of its own.
func (s *Store) acl(ctx context.Context) (Finding, error) {
	denied, err := s.scripts.probe.Run(ctx, s.client, []string{s.prefix + "probe"}).StringSlice()
	switch {
	case redis.HasErrorPrefix(err, "NOPERM"):
		return Finding{Refused, "acl", "this user may not run scripts on " + s.prefix + "*", "see the ACL in docs/redis.md"}, nil
	case redis.HasErrorPrefix(err, "READONLY"):
		return Finding{Good, "acl", "not tried on a replica", ""}, nil
	case err != nil:
		return Finding{}, s.mapped(err)
	case len(denied) > 0:
		slices.Sort(denied)
		return Finding{Refused, "acl", "this user may not call " + strings.Join(denied, ", "), "ACL SETUSER … +" + strings.ToLower(strings.Join(denied, " +"))}, nil
	}
	return Finding{Good, "acl", "this user may call every command that the scripts need", ""}, nil
}

// measure checks the clock of the server, and how long a command takes.
func (s *Store) measure(ctx context.Context, node *redis.Client) ([]Finding, error) {
	var took []time.Duration
	var off time.Duration
	for range 9 {
		sent := time.Now()
		there, err := node.Time(ctx).Result()
		if redis.HasErrorPrefix(err, "NOPERM") {
			return nil, nil // another check reports this
		} else if err != nil {
			return nil, s.mapped(err)
		}
		d := time.Since(sent)
		off = there.Sub(sent.Add(d / 2)).Abs()
		took = append(took, d)
	}
	slices.Sort(took)
	clock := Finding{Good, "clock", fmt.Sprintf("differs by %v from the clock of this machine", off.Round(time.Millisecond)), ""}
	if off > clockOff {
		clock.Level, clock.Fix = Warning, "run NTP on both machines: idle limits are counted by this machine's clock"
	}
	latency := Finding{Good, "latency", fmt.Sprintf("%v for a command", took[len(took)/2].Round(10*time.Microsecond)), ""}
	if took[len(took)/2] > slow {
		latency.Level, latency.Fix = Warning, "move Redis closer: logins and revocations wait for it"
	}
	return []Finding{clock, latency}, nil
}
