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
		Short: "Add a new key; nobody is logged out",
		Long: `Adds a key that begins to seal after some time, when every replica has it. The key
that seals until then still opens sessions for as long as a session can live.
Nobody is logged out.

With --now the new key seals at once. Until a replica has loaded the new key, it
treats sessions sealed with it as logged out.`,
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
		if err != nil {
			return rotateError(err, before, at)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), adminapi.RingOf(r, at))
		}
		printRotated(cmd, before, r, at)
		if now {
			fmt.Fprintln(cmd.OutOrStdout(), "Until a replica has loaded the new key, it treats sessions sealed with it as logged out.")
		}
		return nil
	}
	return cmd
}

// rotateError says what to do about a ring that cannot take a key.
func rotateError(err error, r *keys.Ring, now time.Time) error {
	switch {
	case errors.Is(err, keys.ErrPending):
		waiting := r.Keys()[0]
		return fmt.Errorf("key %s is waiting already, and begins to seal at %s. If that is too late, use --now", waiting.ID(), from(waiting.NotBefore(), now))
	case errors.Is(err, keys.ErrFull):
		return errors.New("the ring is full; 'wafer keys prune' removes the expired keys")
	}
	return err
}

// printRotated says which key is new, when it seals, and until when the old one opens.
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
		Short: "Remove the keys that expired",
		Long: `Removes the keys that expired. They open nothing any more, so nobody is logged
out. What they sealed can never be opened again.`,
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
			what := fmt.Sprintf("These keys expired and open nothing any more. They will be removed, and what they sealed can never be opened again:\n  %s", strings.Join(expired, "\n  "))
			if err := confirm(cmd, what, "Remove them?"); err != nil {
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
			fmt.Fprintln(out, "No key has expired; nothing to remove.")
		default:
			fmt.Fprintf(out, "Removed %s.\n", strings.Join(expired, ", "))
		}
		return nil
	}
	return cmd
}

// missing returns the kids of the keys of all that are not in part.
func missing(all, part *keys.Ring) (kids []string) {
	for _, k := range all.Keys() {
		if _, ok := part.Key(k.ID()); !ok {
			kids = append(kids, k.ID())
		}
	}
	return kids
}
