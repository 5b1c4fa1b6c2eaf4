package redisstore

import (
	"context"
	"crypto/fips140"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/rediscluster"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

//go:embed lua/common.lua
var commonLua string

//go:embed lua/marks.lua
var marksLua string

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

//go:embed lua/write.lua
var writeLua string

//go:embed lua/probe.lua
var probeLua string

//go:embed lua/reset.lua
var resetLua string

//go:embed lua/register.lua
var registerLua string

//go:embed lua/replicas.lua
var replicasLua string

// scripts are the steps of the store; each begins with the same helpers.
type scripts struct{ create, read, confirm, write, probe, reset, register, replicas *redis.Script }

func newScripts() (s scripts) {
	// Redis names scripts by SHA-1. Nothing rests on it, so a FIPS-only process may.
	fips140.WithoutEnforcement(func() {
		s = scripts{
			create:  redis.NewScript(commonLua + marksLua + initLua),
			read:    redis.NewScript(commonLua + marksLua + readLua),
			confirm: redis.NewScript(commonLua + exactLua + confirmLua),
			write:   redis.NewScript(commonLua + marksLua + exactLua + assertLua + writeLua),
			probe:   redis.NewScript(probeLua),

			reset:    redis.NewScript(commonLua + marksLua + resetLua),
			register: redis.NewScript(registerLua),
			replicas: redis.NewScript(replicasLua),
		}
	})
	return s
}

// run runs a script on the primary, loading it if the server does not have it.
func (s *Store) run(ctx context.Context, script *redis.Script, args ...any) (any, error) {
	reply, err := script.Run(ctx, s.client, s.keys, args...).Result()
	return reply, s.mapped(err)
}

// runOnce is run without another attempt of the client: a conditional write that is
// sent again meets itself (R22).
func (s *Store) runOnce(ctx context.Context, script *redis.Script, args ...any) (any, error) {
	reply, err := script.Run(ctx, onceClient{s.client}, s.keys, args...).Result()
	return reply, s.mapped(err)
}

// A onceClient sends scripts that it does not send again when their answer is lost.
type onceClient struct{ redis.UniversalClient }

func (c onceClient) EvalSha(ctx context.Context, hash string, keys []string, args ...any) *redis.Cmd {
	return c.once(ctx, "evalsha", hash, keys, args)
}

func (c onceClient) Eval(ctx context.Context, source string, keys []string, args ...any) *redis.Cmd {
	return c.once(ctx, "eval", source, keys, args)
}

func (c onceClient) once(ctx context.Context, how, script string, keys []string, args []any) *redis.Cmd {
	line := []any{how, script, len(keys)}
	for _, k := range keys {
		line = append(line, k)
	}
	cmd := redis.NewCmd(ctx, append(line, args...)...)
	cmd.SetFirstKeyPos(3)
	c.Process(ctx, once{cmd}) // the command has the error
	return cmd
}

// A once is a command that is not sent again.
type once struct{ *redis.Cmd }

// NoRetry implements [redis.Cmder].
func (once) NoRetry() bool { return true }

// runAcked runs a script and waits on the same connection for replicas to hold
// what was written before it answered: WAIT on another connection counts
// replicas of another write (R7). A server that does not know the script is sent
// both again.
func (s *Store) runAcked(ctx context.Context, script *redis.Script, ack revlog.Ack, args ...any) (any, int, error) {
	node, err := s.primary(ctx)
	if err != nil {
		return nil, 0, s.mapped(err)
	}
	timeout := ack.Timeout
	if timeout == 0 {
		timeout = 500 * time.Millisecond
	}
	conn := node.WithTimeout(timeout + 500*time.Millisecond).Conn()
	defer conn.Close()
	send := func(eval func(redis.Pipeliner) *redis.Cmd) (any, int, error) {
		pipe := conn.Pipeline()
		cmd := eval(pipe)
		wait := redis.NewIntCmd(ctx, "wait", ack.Replicas, timeout.Milliseconds())
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
	return reply, n, s.mapped(err)
}

// primary returns a client of the one server that holds the list.
func (s *Store) primary(ctx context.Context) (*redis.Client, error) {
	switch c := s.client.(type) {
	case *redis.Client:
		return c, nil
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, s.keys[0])
	}
	return nil, fmt.Errorf("redisstore: a client of type %T", s.client)
}

// mapped turns what the scripts and the server say into errors callers know.
func (s *Store) mapped(err error) error {
	if err == nil {
		return nil
	}
	rediscluster.Look(s.client, err)
	for prefix, known := range map[string]error{
		"LOST": revlog.ErrLost, "GENESIS": revlog.ErrOtherList, "LAYOUT": revlog.ErrLayout, "FUTURE": revlog.ErrFuture,
		"WRONGKEY": revlog.ErrWrongKey,
	} {
		if redis.HasErrorPrefix(err, prefix) {
			return because(known, strings.TrimPrefix(err.Error(), prefix))
		}
	}
	return fmt.Errorf("redisstore: %w", err)
}

// because adds to a known error what the script found. The server adds the place in
// the script, which helps nobody.
func because(known error, found string) error {
	found, _, _ = strings.Cut(found, " script: ")
	if found = strings.TrimSpace(found); found == "" {
		return known
	}
	return fmt.Errorf("%w: %s", known, found)
}

// permanent reports whether trying again cannot help.
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
