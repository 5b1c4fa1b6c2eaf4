package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/cmd/wafer/internal/demo"
	"github.com/wafer-sessions/wafer/keys"
)

// demoCommand runs the demo until SIGINT or SIGTERM.
func demoCommand() *cobra.Command {
	var c demo.Config
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run replicas behind one port and watch a session be served, copied and revoked",
		Long: `Runs replicas of a small application behind one port. Each request goes to any of
them. They share a key ring and a list of revocations, in one folder. With the
same --dir the next run knows the sessions and the revocations of this one.

With --redis ring and list are in that Redis. The ring is encrypted under the key
in WAFER_KEK. Without that variable the demo makes a key and prints it once, for
the next demo.

The demo takes the token of the console and the admin API under /admin/ from
WAFER_ADMIN_TOKEN, or makes one and prints it. It serves metrics for Prometheus at /metrics.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.Replicas < 1 || c.Replicas > demo.MaxReplicas {
				return usagef("--replicas must be 1 to %d", demo.MaxReplicas)
			}
			c.AdminToken = os.Getenv(adminTokenVariable)
			if c.Redis != "" {
				if err := demoKEK(&c, cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			c.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return runDemo(ctx, c, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Addr, "addr", "127.0.0.1:8080", "host:port to listen on; port 0 takes a free one")
	f.IntVar(&c.Replicas, "replicas", 3, "replicas to run")
	f.StringVar(&c.Dir, "dir", "", "folder for ring and list (default: a temporary one, removed at exit)")
	f.StringVar(&c.Redis, "redis", "", "URL of a Redis for ring and list, in place of a folder: several demos\nthen serve each other's sessions")
	f.BoolVar(&c.AllowRemote, "allow-remote", false, "permit an address that other machines can reach, over plain http")
	return cmd
}

func runDemo(ctx context.Context, c demo.Config, out io.Writer) error {
	d, err := demo.Open(ctx, c)
	switch {
	case errors.Is(err, demo.ErrRemote):
		return usagef("%w; --allow-remote permits it", err)
	case errors.Is(err, demo.ErrConfig):
		return usageError{err}
	case err != nil:
		return err
	}
	dir, temporary := d.Dir()
	switch {
	case temporary:
		dir += " (removed at exit; --dir keeps it)"
	case dir == "":
		dir = "none: ring and list are in Redis"
	}
	fmt.Fprintf(out, `Wafer demo: %d replicas behind %s
  page         %[2]s/
  console      %[2]s/admin/ (sign in with the admin token; the admin API is there too)
  admin token  %[3]s
  metrics      %[2]s/metrics
  folder       %[4]s

This is plain http, so the cookies lack "Secure" and the prefix "__Host-Http-". That is good enough on this machine only.
The console and the metrics share the port of the application here. In production give them a listener of their own. Stop with Ctrl-C.
`, d.Replicas(), d.URL(), tokenLine(c.AdminToken, d.AdminToken()), dir)
	return errors.Join(d.Serve(ctx), d.Close())
}

// tokenLine does not repeat a token that the caller chose, because terminals are recorded.
func tokenLine(given, token string) string {
	if given != "" {
		return "the one in WAFER_ADMIN_TOKEN"
	}
	return token
}

// demoKEK takes the key encryption key of the ring in Redis from the environment, or makes one and
// prints it.
func demoKEK(c *demo.Config, out io.Writer) error {
	if os.Getenv(kekVariable) != "" {
		c.KEK = keys.KEKEnv(kekVariable)
		return nil
	}
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	c.KEK = keys.KEKFunc(func(context.Context) ([]byte, error) { return secret[:], nil })
	_, err := fmt.Fprintf(out, "The ring in Redis is encrypted. The next demo needs its key:\n  %s=%s\n\n", kekVariable, base64.RawURLEncoding.EncodeToString(secret[:]))
	return err
}
