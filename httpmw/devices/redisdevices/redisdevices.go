// Package redisdevices keeps the list of package devices in Redis 6.2 or later, or Valkey: one server,
// a primary with Sentinel, or a Cluster. It may be the server that has the revocation list or another
// one, also one that evicts keys: what it loses logs nobody out.
//
// The rows of an owner are in one hash, <prefix>:<owner>, which expires when the last of its sessions
// does. Each write is one script. A user of Redis needs ~<prefix>:* and +evalsha +eval +hgetall +hdel
// +hset +pexpireat, in a Cluster also +cluster|shards +cluster|slots.
package redisdevices

import (
	"context"
	"crypto/fips140"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/internal/rediscluster"
	_ "github.com/wafer-sessions/wafer/internal/redislog" // the client's log goes to slog
)

// Config of a Store. The zero value is good for production.
type Config struct {
	// Prefix begins the names of the keys. Zero: "wafer:devices".
	Prefix string
}

// A Store is a [devices.Store] in Redis. It is safe for concurrent use.
type Store struct {
	client redis.UniversalClient
	prefix string
}

var _ devices.Store = (*Store)(nil)

// New returns a Store that uses client, which stays open. It does no I/O.
func New(client redis.UniversalClient, c Config) *Store {
	if c.Prefix == "" {
		c.Prefix = "wafer:devices"
	}
	return &Store{client, c.Prefix}
}

// Format implements [fmt.Formatter]: every verb prints the name of the type. The client holds a
// password.
func (s Store) Format(f fmt.State, _ rune) { io.WriteString(f, "redisdevices.Store") }

//go:embed put.lua
var putLua string

var putScript = newScript()

// newScript makes the script. Redis names scripts by SHA-1. No security depends on it, so a FIPS-only
// process may compute it.
func newScript() (s *redis.Script) {
	fips140.WithoutEnforcement(func() { s = redis.NewScript(putLua) })
	return s
}

// record is a row as it is kept. Times are Unix ms.
type record struct {
	Name    string `json:"name"`
	Agent   string `json:"agent"`
	Login   int64  `json:"login"`
	Began   int64  `json:"began"`
	Seen    int64  `json:"seen"`
	Expires int64  `json:"expires"`
}

func (s *Store) key(owner string) string { return s.prefix + ":" + owner }

// Put implements [devices.Store].
func (s *Store) Put(ctx context.Context, owner string, d devices.Device, previous string, max int) ([]string, error) {
	row, err := json.Marshal(record{d.Name, d.Agent, d.LoginTime.UnixMilli(), d.Began.UnixMilli(), d.Seen.UnixMilli(), d.Until.UnixMilli()})
	if err != nil {
		return nil, fmt.Errorf("redisdevices: %w", err)
	}
	excess, err := putScript.Run(ctx, s.client, []string{s.key(owner)}, d.ID, row, previous, max).StringSlice()
	return excess, s.failed(err)
}

// List implements [devices.Store]. It leaves out rows that are damaged.
func (s *Store) List(ctx context.Context, owner string) ([]devices.Device, error) {
	all, err := s.client.HGetAll(ctx, s.key(owner)).Result()
	if err != nil {
		return nil, s.failed(err)
	}
	rows := make([]devices.Device, 0, len(all))
	for id, row := range all {
		var r record
		if json.Unmarshal([]byte(row), &r) != nil || r.Expires == 0 {
			continue
		}
		rows = append(rows, devices.Device{
			ID: id, Name: r.Name, Agent: r.Agent, LoginTime: time.UnixMilli(r.Login), Began: time.UnixMilli(r.Began),
			Seen: time.UnixMilli(r.Seen), Until: time.UnixMilli(r.Expires),
		})
	}
	return rows, nil
}

// Delete implements [devices.Store].
func (s *Store) Delete(ctx context.Context, owner string, ids ...string) error {
	if len(ids) == 0 {
		return ctx.Err()
	}
	return s.failed(s.client.HDel(ctx, s.key(owner), ids...).Err())
}

func (s *Store) failed(err error) error {
	if err == nil {
		return nil
	}
	rediscluster.Look(s.client, err)
	return fmt.Errorf("redisdevices: %w", err)
}
