package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

func keysExtend() *cobra.Command {
	var maxSession days
	f := &keysChange{}
	cmd := &cobra.Command{
		Use:   "extend --max-session TIME",
		Short: "Prepare the ring for longer sessions; nobody is logged out",
		Long: `Raises the longest life of a session that the ring is made for. The ring keeps a
key for as long as sessions can live. So do this first, and then configure the
application for longer sessions (Config.Absolute, Config.Remember).

The limit cannot be lowered again.`,
		Example: `  wafer keys extend --file ring.jwe --kek-file kek --max-session 30d
  wafer keys extend --admin https://shop.internal:8443/admin --max-session 30d`,
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().Var(&maxSession, "max-session", "longest life of a session, such as 12h or 30d")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.extend(cmd, maxSession) }
	return cmd
}

func (f *keysChange) extend(cmd *cobra.Command, maxSession days) error {
	switch {
	case maxSession <= 0:
		return usagef("how long? Give --max-session TIME, such as 30d")
	case time.Duration(maxSession) > keys.LongestSession:
		return usagef("--max-session is at most %s", span(keys.LongestSession))
	}
	p, err := f.open(cmd)
	if err != nil {
		return err
	}
	defer p.Close()
	before, after, err := f.change(cmd, p, "/keys/extend", adminapi.Extension{MaxSession: whole(maxSession), Reason: f.reason, Actor: f.claimed()})
	switch out := cmd.OutOrStdout(); {
	case errors.Is(err, keys.ErrShorter):
		return fmt.Errorf("the ring is made for sessions of %s already, and cannot be made for shorter ones", span(longest(before)))
	case err != nil:
		return err
	case *f.json:
		return printJSON(out, after)
	case before.MaxSession == after.MaxSession:
		fmt.Fprintf(out, "The ring is made for sessions of %s already; nothing was changed.\n", span(longest(after)))
	default:
		fmt.Fprintf(out, "The ring is made for sessions of %s now; before it was %s. Nobody is logged out.\nWhen every replica has read it, configure the application for longer sessions.\n",
			span(longest(after)), span(longest(before)))
	}
	return nil
}
