package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Finding is what was thought of one property of a server.
type Finding struct {
	Level   Level
	Check   string // what was looked at, in a word: "eviction"
	Message string // what was found, with the names of settings
	Fix     string // what to do about it, "" if there is nothing to do
}

// A Level says how bad a finding is.
type Level int

const (
	Good    Level = iota
	Warning       // works now, and will not always
	Failing       // does not work now: nothing can be revoked
	Refused       // Open refuses such a server
)

// String returns "ok", "warning", "failing" or "refused".
func (l Level) String() string {
	switch l {
	case Good:
		return "ok"
	case Warning:
		return "warning"
	case Failing:
		return "failing"
	}
	return "refused"
}

const (
	slow      = 50 * time.Millisecond
	clockOff  = 2 * time.Second
	fullShare = 0.75
)

// Examine connects to Redis and returns what it thinks of the server that holds
// the list, of its replicas and of the other servers of a Cluster, good and bad. It
// tries commands on a key of its own and leaves nothing.
func Examine(ctx context.Context, o *redis.UniversalOptions, c Config) ([]Finding, error) {
	if err := checkOptions(o, c); err != nil {
		return nil, err
	}
	s := newStore(o, c)
	defer s.Close()
	node, err := s.primary(ctx)
	if err != nil {
		return nil, s.mapped(err)
	}
	all, err := s.inspect(ctx, o, c)
	if err != nil || stops(all) {
		return all, err
	}
	i, err := s.ask(ctx, node)
	if err != nil {
		return nil, err
	}
	all = append(all, replication(i))
	all = append(all, s.others(ctx, o, node, i)...)
	for _, try := range []func() (Finding, error){
		func() (Finding, error) { return s.wrote(ctx) },
		func() (Finding, error) { return s.ack(ctx, node) },
	} {
		f, err := try()
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	timing, err := s.measure(ctx, node)
	return append(all, timing...), err
}

// stops reports whether there is a finding that leaves nothing more to look at.
func stops(all []Finding) bool {
	return slices.ContainsFunc(all, func(f Finding) bool {
		return f.Check == "cluster" || f.Check == "acl" && f.Level == Refused && len(all) == 1
	})
}

// refused returns the findings that keep a store from opening as an error.
func refused(all []Finding) error {
	var errs []error
	for _, f := range all {
		if f.Level == Refused {
			errs = append(errs, fmt.Errorf("%w: %s: %s", ErrUnsafe, f.Message, f.Fix))
		}
	}
	return errors.Join(errs...)
}

// info is what INFO says, by name.
type info map[string]string

func (i info) int(name string) int64 {
	n, _ := strconv.ParseInt(i[name], 10, 64)
	return n
}

// inspect looks at what does not take time to measure, as Open does.
func (s *Store) inspect(ctx context.Context, o *redis.UniversalOptions, c Config) ([]Finding, error) {
	node, err := s.primary(ctx)
	if err != nil {
		return nil, s.mapped(err)
	}
	i, err := s.ask(ctx, node)
	if redis.HasErrorPrefix(err, "NOPERM") {
		return []Finding{{Refused, "acl", "this user may not call INFO", "ACL SETUSER … +info (docs/redis.md)"}}, nil
	} else if err != nil {
		return nil, err
	}
	if _, alone := s.client.(*redis.Client); alone && i["cluster_enabled"] == "1" {
		return []Finding{{Refused, "cluster", "this is one server of a Cluster, which keeps the list where its slot is",
			"redis+cluster:// in place of redis:// (IsClusterMode)"}}, nil
	}
	all := []Finding{version(i), role(i), eviction(i), persistence(i, c), split(i, o, c), maxLag(i), memory(i)}
	acl, err := s.acl(ctx)
	if err != nil {
		return nil, err
	}
	return append(all, acl), nil
}

// ask returns what INFO says, and of CONFIG what matters where it may be asked.
func (s *Store) ask(ctx context.Context, node *redis.Client) (info, error) {
	text, err := node.Info(ctx).Result()
	if err != nil {
		return nil, s.mapped(err)
	}
	i := info{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			i[name] = value
		}
	}
	for _, name := range []string{"min-replicas-to-write", "min-replicas-max-lag", "appendfsync"} {
		got, err := node.ConfigGet(ctx, name).Result()
		if err != nil {
			break
		}
		i[name] = got[name]
	}
	return i, nil
}
