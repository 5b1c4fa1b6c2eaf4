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
	Refused       // Open refuses such a server
)

// String returns "ok", "warning" or "refused".
func (l Level) String() string {
	switch l {
	case Good:
		return "ok"
	case Warning:
		return "warning"
	}
	return "refused"
}

const (
	slow      = 50 * time.Millisecond
	clockOff  = 2 * time.Second
	fullShare = 0.75
)

// Examine connects to Redis and returns what it thinks of the server that holds
// the list, good and bad. It tries commands on a key of its own and leaves nothing.
func Examine(ctx context.Context, o *redis.UniversalOptions, c Config) ([]Finding, error) {
	if err := checkOptions(o, c); err != nil {
		return nil, err
	}
	s := newStore(o, c)
	defer s.Close()
	all, err := s.inspect(ctx, o, c)
	if err != nil {
		return nil, err
	}
	node, err := s.primary(ctx)
	if err != nil {
		return nil, s.mapped(err)
	}
	timing, err := s.measure(ctx, node)
	return append(all, timing...), err
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

// inspect looks at what does not take time to measure.
func (s *Store) inspect(ctx context.Context, o *redis.UniversalOptions, c Config) ([]Finding, error) {
	node, err := s.primary(ctx)
	if err != nil {
		return nil, s.mapped(err)
	}
	text, err := node.Info(ctx).Result()
	if redis.HasErrorPrefix(err, "NOPERM") {
		return []Finding{{Refused, "acl", "this user may not call INFO", "ACL SETUSER … +info (docs/redis.md)"}}, nil
	} else if err != nil {
		return nil, s.mapped(err)
	}
	i := info{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			i[name] = value
		}
	}
	all := []Finding{version(i), role(i), eviction(i), persistence(i, c), split(i, o, c), s.lag(ctx, node, i), memory(i)}
	acl, err := s.acl(ctx)
	if err != nil {
		return nil, err
	}
	return append(all, acl), nil
}

func version(i info) Finding {
	name, v := "Redis", i["redis_version"]
	if i["valkey_version"] != "" {
		name, v = "Valkey", i["valkey_version"]
	}
	f := Finding{Good, "version", name + " " + v, ""}
	major, _, _ := strings.Cut(v, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		f.Level, f.Fix = Refused, "use Redis 7.0 or later, or Valkey"
	}
	return f
}

func role(i info) Finding {
	if i["role"] != "master" {
		return Finding{Refused, "role", "role is " + i["role"] + ": a replica may be behind", "connect to the primary, or through Sentinel (MasterName)"}
	}
	return Finding{Good, "role", "the primary", ""}
}

func eviction(i info) Finding {
	policy := i["maxmemory_policy"]
	switch {
	case policy != "noeviction":
		return Finding{Refused, "eviction", "maxmemory-policy is " + policy + ": under memory pressure revocations would be forgotten",
			"CONFIG SET maxmemory-policy noeviction, and in redis.conf"}
	case i.int("evicted_keys") > 0:
		return Finding{Warning, "eviction", fmt.Sprintf("maxmemory-policy is noeviction, but %d keys were evicted since the server started", i.int("evicted_keys")),
			"find out who changed maxmemory-policy"}
	}
	return Finding{Good, "eviction", "maxmemory-policy is noeviction", ""}
}

// waits reports whether the server takes writes only with a replica at hand:
// INFO names the replicas that count only then.
func (i info) waits() bool { _, ok := i["min_slaves_good_slaves"]; return ok }

func persistence(i info, c Config) Finding {
	switch {
	case i["aof_enabled"] == "1" && i["aof_last_write_status"] != "ok":
		return Finding{Warning, "persistence", "appendonly is on, and the last write to it failed", "free disk space, see the server's log"}
	case i["aof_enabled"] == "1":
		return Finding{Good, "persistence", "appendonly is on", ""}
	case i.waits() && i.int("connected_slaves") > 0:
		return Finding{Good, "persistence", "appendonly is off, min-replicas-to-write keeps a second copy", ""}
	}
	f := Finding{Refused, "persistence", "appendonly is no and min-replicas-to-write is 0: a restart would forget every revocation",
		"CONFIG SET appendonly yes, and in redis.conf; or a replica and min-replicas-to-write 1; or AllowVolatile to live with it"}
	if c.AllowVolatile {
		f.Level = Warning
	}
	return f
}

func split(i info, o *redis.UniversalOptions, c Config) Finding {
	replicas := fmt.Sprintf("%d replicas", i.int("connected_slaves"))
	if i.waits() {
		return Finding{Good, "replicas", replicas + ", min-replicas-to-write is set, " + i["min_slaves_good_slaves"] + " count", ""}
	}
	if o.MasterName == "" && len(o.Addrs) < 2 && !o.IsClusterMode {
		return Finding{Good, "replicas", replicas + ", and nothing that would promote one", ""}
	}
	f := Finding{Refused, "replicas", replicas + ", min-replicas-to-write is 0: after a network split revocations are lost that an isolated primary acknowledged",
		"CONFIG SET min-replicas-to-write 1 and min-replicas-max-lag 2, and in redis.conf, on every node; or AllowSplit to live with it"}
	if c.AllowSplit {
		f.Level = Warning
	}
	return f
}

// lag looks at min-replicas-max-lag where CONFIG may be asked.
func (s *Store) lag(ctx context.Context, node *redis.Client, i info) Finding {
	f := Finding{Good, "max lag", "min-replicas-max-lag does not matter without min-replicas-to-write", ""}
	if !i.waits() {
		return f
	}
	got, err := node.ConfigGet(ctx, "min-replicas-max-lag").Result()
	n, parsed := strconv.Atoi(got["min-replicas-max-lag"])
	if err != nil || parsed != nil {
		f.Message = "min-replicas-max-lag is not known: this user may not call CONFIG"
		return f
	}
	f.Message = fmt.Sprintf("min-replicas-max-lag is %d s", n)
	if n > 2 {
		f.Level = Warning
		f.Message += ": an isolated primary takes writes that long"
		f.Fix = "CONFIG SET min-replicas-max-lag 2, and in redis.conf"
	}
	return f
}

func memory(i info) Finding {
	used, most := i.int("used_memory"), i.int("maxmemory")
	if most == 0 {
		return Finding{Good, "memory", fmt.Sprintf("%d MB used, maxmemory is not set", used>>20), ""}
	}
	f := Finding{Good, "memory", fmt.Sprintf("%d %% of maxmemory (%d MB) used", used*100/most, most>>20), ""}
	if float64(used) > fullShare*float64(most) {
		f.Level, f.Fix = Warning, "raise maxmemory: when it is reached, revocations are refused"
	}
	return f
}

// acl tries on a key of its own what the scripts call.
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
	return Finding{Good, "acl", "this user may call what the scripts need", ""}, nil
}

// measure looks at the clock and the time a command takes.
func (s *Store) measure(ctx context.Context, node *redis.Client) ([]Finding, error) {
	var took []time.Duration
	var off time.Duration
	for range 9 {
		sent := time.Now()
		there, err := node.Time(ctx).Result()
		if redis.HasErrorPrefix(err, "NOPERM") {
			return nil, nil // which is a finding already
		} else if err != nil {
			return nil, s.mapped(err)
		}
		d := time.Since(sent)
		off = there.Sub(sent.Add(d / 2)).Abs()
		took = append(took, d)
	}
	slices.Sort(took)
	clock := Finding{Good, "clock", fmt.Sprintf("%v from ours", off.Round(time.Millisecond)), ""}
	if off > clockOff {
		clock.Level, clock.Fix = Warning, "run NTP on both machines: idle limits are counted by this machine's clock"
	}
	latency := Finding{Good, "latency", fmt.Sprintf("%v a command", took[len(took)/2].Round(10*time.Microsecond)), ""}
	if took[len(took)/2] > slow {
		latency.Level, latency.Fix = Warning, "put Redis nearer: logins and revocations wait for it"
	}
	return []Finding{clock, latency}, nil
}
