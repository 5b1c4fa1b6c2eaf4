package redisstore

import (
	"context"
	"crypto/fips140"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/wafer-sessions/wafer/internal/rediscluster"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

//go:embed lua/common.lua
var commonLua string

//go:embed lua/value.lua
var valueLua string

//go:embed lua/globals.lua
var globalsLua string

//go:embed lua/exact.lua
var exactLua string

//go:embed lua/assert.lua
var assertLua string

//go:embed lua/init.lua
var initLua string

//go:embed lua/read.lua
var readLua string

//go:embed lua/confirm.lua
var confirmLua string

//go:embed lua/plan.lua
var planLua string

//go:embed lua/request.lua
var requestLua string

//go:embed lua/append.lua
var appendLua string

//go:embed lua/succeed.lua
var succeedLua string

//go:embed lua/repair.lua
var repairLua string

//go:embed lua/bulk.lua
var bulkLua string

//go:embed lua/probe.lua
var probeLua string

//go:embed lua/reset.lua
var resetLua string

//go:embed lua/register.lua
var registerLua string

//go:embed lua/replicas.lua
var replicasLua string

//go:embed lua/roll.lua
var rollLua string

//go:embed lua/sketches.lua
var sketchesLua string

//go:embed lua/turn.lua
var turnLua string

// scripts are the steps of the store. Most of them begin with the same helpers.
type scripts struct {
	create, read, confirm, append, succeed, repair, bulk, probe, reset, register, replicas, roll, sketches, turn *redis.Script
}

func newScripts() (s scripts) {
	// Redis names scripts by SHA-1. No security depends on it, so a FIPS-only process may compute
	// it.
	planning := commonLua + valueLua + globalsLua + exactLua + planLua + assertLua
	fips140.WithoutEnforcement(func() {
		s = scripts{
			create:  redis.NewScript(commonLua + valueLua + globalsLua + initLua),
			read:    redis.NewScript(commonLua + valueLua + globalsLua + readLua),
			confirm: redis.NewScript(commonLua + valueLua + exactLua + confirmLua),
			append:  redis.NewScript(planning + requestLua + appendLua),
			succeed: redis.NewScript(planning + requestLua + succeedLua),
			repair:  redis.NewScript(planning + repairLua),
			bulk:    redis.NewScript(planning + bulkLua),
			probe:   redis.NewScript(probeLua),

			reset:    redis.NewScript(commonLua + valueLua + globalsLua + resetLua),
			roll:     redis.NewScript(commonLua + rollLua),
			turn:     redis.NewScript(turnLua),
			register: redis.NewScript(registerLua),
			replicas: redis.NewScript(replicasLua),
			sketches: redis.NewScript(sketchesLua),
		}
	})
	return s
}

// run runs a script on the primary, and loads it if the server does not have it.
func (s *Store) run(ctx context.Context, script *redis.Script, args ...any) (any, error) {
	reply, err := script.Run(ctx, s.client, s.keys, args...).Result()
	return reply, s.mapped(err)
}

// runAcked runs a script, and waits on the same connection until replicas hold what it wrote: WAIT
// on another connection would count replicas for another write (R7). If the connection breaks,
// runAcked sends both again on another one, as the client does with a script alone (R29).
func (s *Store) runAcked(ctx context.Context, script *redis.Script, ack revlog.Ack, args ...any) (any, int, error) {
	node, err := s.primary(ctx)
	if err != nil {
		return nil, 0, s.mapped(err)
	}
	if ack.Timeout == 0 {
		ack.Timeout = 500 * time.Millisecond
	}
	reply, n, err := s.sendAcked(ctx, node, script, ack, args)
	if broken(err) && ctx.Err() == nil {
		reply, n, err = s.sendAcked(ctx, node, script, ack, args)
	}
	return reply, n, s.mapped(err)
}

// broken reports whether a connection ended before its answer came. That says nothing about the
// server, while a timeout does.
func broken(err error) bool {
	var ofServer redis.Error
	var network net.Error
	return err != nil && !errors.As(err, &ofServer) && !(errors.As(err, &network) && network.Timeout())
}

// sendAcked is one attempt of runAcked. If the server does not know the script, it sends both
// again.
func (s *Store) sendAcked(ctx context.Context, node *redis.Client, script *redis.Script, ack revlog.Ack, args []any) (any, int, error) {
	conn := node.WithTimeout(ack.Timeout + 500*time.Millisecond).Conn()
	defer conn.Close()
	send := func(eval func(redis.Pipeliner) *redis.Cmd) (any, int, error) {
		pipe := conn.Pipeline()
		cmd := eval(pipe)
		wait := redis.NewIntCmd(ctx, "wait", ack.Replicas, ack.Timeout.Milliseconds())
		pipe.Process(ctx, wait)
		pipe.Exec(ctx) // each command has its own error
		reply, err := cmd.Result()
		if err != nil {
			return nil, 0, err
		}
		n, err := wait.Result()
		return reply, int(n), err
	}
	reply, n, err := send(func(p redis.Pipeliner) *redis.Cmd { return script.EvalSha(ctx, p, s.keys, args...) })
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, n, err = send(func(p redis.Pipeliner) *redis.Cmd { return script.Eval(ctx, p, s.keys, args...) })
	}
	return reply, n, err
}

// primary returns a client of the one server that holds the list.
func (s *Store) primary(ctx context.Context) (*redis.Client, error) {
	switch c := s.client.(type) {
	case *redis.Client:
		return c, nil
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, s.keys[0])
	}
	return nil, fmt.Errorf("redisstore: unknown type of client %T", s.client)
}

// mapped turns errors of the scripts and the server into errors that callers know.
func (s *Store) mapped(err error) error {
	if err == nil {
		return nil
	}
	rediscluster.Look(s.client, err)
	if redis.HasErrorPrefix(err, "LIMIT ") {
		var late revlog.LimitError
		if n, _ := fmt.Sscanf(err.Error(), "LIMIT %d", &late.LogTime); n == 1 {
			return &late
		}
	}
	for prefix, known := range map[string]error{
		"LOST": revlog.ErrLost, "OTHERLIST": revlog.ErrOtherList, "LAYOUT": revlog.ErrLayout, "FUTURE": revlog.ErrFuture,
		"WRONGKEY": revlog.ErrWrongKey,
	} {
		if redis.HasErrorPrefix(err, prefix) {
			return because(known, strings.TrimPrefix(err.Error(), prefix))
		}
	}
	return fmt.Errorf("redisstore: %w", err)
}

// because adds what the script found to a known error. It cuts off the place in the script, which
// the server adds and no caller needs.
func because(known error, found string) error {
	found, _, _ = strings.Cut(found, " script: ")
	if found = strings.TrimSpace(found); found == "" {
		return known
	}
	return fmt.Errorf("%w: %s", known, found)
}

// permanent reports whether err stays however often the call is tried again.
func permanent(err error) bool {
	var r redis.Error
	if !errors.As(err, &r) {
		return false
	}
	for _, prefix := range []string{"NOPERM", "NOAUTH", "WRONGPASS"} {
		if strings.Contains(r.Error(), prefix) {
			return true
		}
	}
	return false
}
