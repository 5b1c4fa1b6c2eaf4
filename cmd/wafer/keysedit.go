package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

func keysRotate() *cobra.Command {
	var (
		ring  ringFlags
		after days
		now   bool
	)
	cmd := &cobra.Command{
		Use:   "rotate --file FILE",
		Short: "Bring in a new key; nobody is logged out",
		Long: `Adds a key that begins to seal after some time, so that every replica has it
by then. The key that seals until then goes on opening for as long as a
session may live. Nobody is logged out.

With --now the new key seals at once. A replica that has not read the ring by
then takes sessions sealed with it for none, until it has.`,
		Example: `  wafer keys rotate --file ring.jwe --kek-file kek
  wafer keys rotate --file ring.jwe --kek-file kek --after 1h`,
		Args: cobra.NoArgs,
	}
	ring.add(cmd)
	cmd.Flags().Var(&after, "after", "how long the new key waits (default 10m)")
	cmd.Flags().BoolVar(&now, "now", false, "let the new key seal at once")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if now && after != 0 {
			return usagef("give one of --now and --after")
		}
		at := time.Now()
		how := keys.Rotation{After: time.Duration(after), Immediate: now}
		before, r, err := ring.edit(cmd.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Rotate(at, how) })
		if errors.Is(err, keys.ErrPending) {
			waiting := before.Keys()[0]
			return fmt.Errorf("key %s is waiting already, and begins to seal at %s. If that is too late: --now", waiting.ID(), from(waiting.NotBefore(), at))
		}
		if errors.Is(err, keys.ErrFull) {
			return fmt.Errorf("the ring holds as many keys as a ring may; 'wafer keys prune' drops the expired ones")
		}
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), adminapi.RingOf(r, at))
		}
		printRotated(cmd, before, r, at)
		if now {
			fmt.Fprintln(cmd.OutOrStdout(), "A replica that has not read the ring yet takes what the new key seals for no session, until it has.")
		}
		return nil
	}
	return cmd
}

// printRotated says which key came, when it seals, and until when the old one opens.
func printRotated(cmd *cobra.Command, before, r *keys.Ring, now time.Time) {
	out := cmd.OutOrStdout()
	for _, k := range r.Keys() {
		if _, old := before.Key(k.ID()); old {
			continue
		}
		if r.State(k, now) == keys.Sealing {
			fmt.Fprintf(out, "Key %s seals now.\n", k.ID())
		} else {
			fmt.Fprintf(out, "Key %s begins to seal at %s.\n", k.ID(), from(k.NotBefore(), now))
		}
	}
	if old, ok := before.Sealing(now); ok {
		if k, _ := r.Key(old.ID()); r.State(k, now) != keys.Revoked {
			fmt.Fprintf(out, "Key %s opens what it sealed until %s. Nobody is logged out.\n", k.ID(), from(k.Expires(), now))
		}
	}
}

func keysPrune() *cobra.Command {
	var ring ringFlags
	cmd := &cobra.Command{
		Use:   "prune --file FILE",
		Short: "Drop the keys that expired",
		Long: `Drops the keys that expired. They open nothing any more, so nobody is logged
out; what they sealed can never be opened again.`,
		Example: `  wafer keys prune --file ring.jwe --kek-file kek`,
		Args:    cobra.NoArgs,
	}
	ring.add(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		now := time.Now()
		r, err := ring.read(cmd.Context())
		if err != nil {
			return err
		}
		expired := missing(r, r.Prune(now))
		if len(expired) > 0 {
			what := fmt.Sprintf("These keys expired and open nothing any more. They will be dropped, and what they sealed can never be opened again:\n  %s", strings.Join(expired, "\n  "))
			if err := confirm(cmd, what, "Drop them?"); err != nil {
				return err
			}
			if _, r, err = ring.edit(cmd.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Prune(now), nil }); err != nil {
				return err
			}
		}
		switch out := cmd.OutOrStdout(); {
		case *asJSON:
			return printJSON(out, adminapi.RingOf(r, now))
		case len(expired) == 0:
			fmt.Fprintln(out, "No key has expired; nothing to drop.")
		default:
			fmt.Fprintf(out, "Dropped %s.\n", strings.Join(expired, ", "))
		}
		return nil
	}
	return cmd
}

// missing returns the kids of those keys of all that part does not hold.
func missing(all, part *keys.Ring) (kids []string) {
	for _, k := range all.Keys() {
		if _, ok := part.Key(k.ID()); !ok {
			kids = append(kids, k.ID())
		}
	}
	return kids
}
