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

// A Finding is the result of one check of a server.
type Finding struct {
	Level   Level
	Check   string // the name of the check, such as "eviction"
	Message string // what the check found, with the names of settings
	Fix     string // what to do about it, "" if nothing has to be done
}

// A Level says how serious a finding is.
type Level int

const (
	Good    Level = iota
	Warning       // works now, but may fail later
	Failing       // does not work now: no revocation can be written
	Refused       // Open refuses the server
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

// Examine connects to Redis and returns findings, good and bad, about the server that holds the
// list, its replicas, and the other servers of a Cluster. It tries commands on a key of its own and
// deletes that key.
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

// stops reports whether a finding makes further checks impossible.
func stops(all []Finding) bool {
	return slices.ContainsFunc(all, func(f Finding) bool {
		return f.Check == "cluster" || f.Check == "acl" && f.Level == Refused && len(all) == 1
	})
}

// refused returns an error with the findings for which Open refuses the server.
func refused(all []Finding) error {
	var errs []error
	for _, f := range all {
		if f.Level == Refused {
			errs = append(errs, fmt.Errorf("%w: %s: %s", ErrUnsafe, f.Message, f.Fix))
		}
	}
	return errors.Join(errs...)
}

// info holds the fields of INFO by name.
type info map[string]string

func (i info) int(name string) int64 {
	n, _ := strconv.ParseInt(i[name], 10, 64)
	return n
}

func parseInfo(text string) info {
	i := info{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			i[name] = value
		}
	}
	return i
}

// inspect makes the checks that take no time, which are those of Open.
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
		return []Finding{{Refused, "cluster", "this is one server of a Cluster, and the list may be on another one",
			"use redis+cluster:// in place of redis:// (IsClusterMode)"}}, nil
	}
	all := []Finding{version(i), role(i), eviction(i), persistence(i, c), split(i, o, c), maxLag(i), memory(i)}
	acl, err := s.acl(ctx)
	if err != nil {
		return nil, err
	}
	return append(all, acl), nil
}

// ask returns the fields of INFO, and those of CONFIG that matter if the user may read them.
func (s *Store) ask(ctx context.Context, node *redis.Client) (info, error) {
	text, err := node.Info(ctx).Result()
	if err != nil {
		return nil, s.mapped(err)
	}
	i := parseInfo(text)
	for _, name := range []string{"min-replicas-to-write", "min-replicas-max-lag", "appendfsync"} {
		got, err := node.ConfigGet(ctx, name).Result()
		if err != nil {
			break
		}
		i[name] = got[name]
	}
	return i, nil
}
