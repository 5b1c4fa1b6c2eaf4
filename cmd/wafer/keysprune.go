package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

func keysPrune() *cobra.Command {
	f := &keysChange{}
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove the keys that expired",
		Long: `Removes the keys that expired. They open nothing any more, so nobody is logged
out. What they sealed can never be opened again.

A key that a living session may need stays, and the command says until when and
why. A revoked key stays until it would have expired, because the ring must know
that it is revoked.

If a replica sealed with an expired key so late that the session may live, nothing
is removed: that replica does not follow the ring.`,
		Example: `  wafer keys prune --file ring.jwe --kek-file kek
  wafer keys prune --admin https://shop.internal:8443/admin --yes`,
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.prune(cmd) }
	return cmd
}

func (f *keysChange) prune(cmd *cobra.Command) error {
	p, err := f.open(cmd)
	if err != nil {
		return err
	}
	defer p.Close()
	v, err := p.ring(cmd.Context())
	if err != nil {
		return err
	}
	now, out, d := time.Now(), cmd.OutOrStdout(), v.Ring
	if err := v.CheckPrune(now); err != nil {
		return fmt.Errorf("nothing was removed: %w", err)
	}
	var removed []adminapi.Key
	if expired := v.Prunable(); len(expired) > 0 {
		what := "These keys expired and open nothing any more. They will be removed, and what they sealed can never be opened again:\n  " + strings.Join(used(expired, now), "\n  ")
		if err := confirm(cmd, what, "Remove them?"); err != nil {
			return err
		}
		before, after, err := f.change(cmd, p, "/keys/prune", adminapi.Pruning{Reason: f.reason, Actor: f.claimed()})
		if errors.Is(err, adminapi.ErrInUse) { // in between
			err = fmt.Errorf("nothing was removed: %w", err)
		}
		if err != nil {
			return err
		}
		d = after
		gone := before.Without(after)
		removed, v.Keys = split(v.Keys, func(k adminapi.Key) bool { return slices.Contains(gone, k.ID) })
	}
	if *f.json {
		return printJSON(out, d)
	}
	if len(removed) == 0 {
		fmt.Fprintln(out, "No key has expired; nothing to remove.")
	}
	for _, line := range used(removed, now) {
		fmt.Fprintf(out, "Removed %s.\n", line)
	}
	printKept(out, v.Ring, now)
	return nil
}

// split returns the keys for which is returns true, and the others.
func split(all []adminapi.Key, is func(adminapi.Key) bool) (those, others []adminapi.Key) {
	for _, k := range all {
		if is(k) {
			those = append(those, k)
		} else {
			others = append(others, k)
		}
	}
	return those, others
}

// used says of each key how it was used.
func used(all []adminapi.Key, now time.Time) (lines []string) {
	for _, k := range all {
		line := fmt.Sprintf("%s, which expired %s", safe(k.ID), ago(k.Expires, now))
		if k.Revoked != nil {
			line += " and was revoked " + ago(k.Revoked, now)
		}
		lines = append(lines, line+lastUse(k, now))
	}
	return lines
}

// lastUse says when the key last sealed and opened, if that is known.
func lastUse(k adminapi.Key, now time.Time) string {
	switch {
	case k.Use == nil:
		return ""
	case k.Use.Sealed == nil && k.Use.Opened == nil:
		return "; not used yet, as far as is known"
	case k.Use.Sealed == nil:
		return "; last opened " + ago(k.Use.Opened, now)
	}
	return fmt.Sprintf("; last sealed %s, last opened %s", ago(k.Use.Sealed, now), ago(k.Use.Opened, now))
}

// printKept says until when the other keys are kept, and why.
func printKept(out io.Writer, d adminapi.Ring, now time.Time) {
	for i, k := range d.Keys {
		why := ""
		switch {
		case k.Prunable:
			continue
		case k.State == keys.Pending.String():
			why = "it begins to seal at " + from(k.NotBefore, now)
		case k.State == keys.Sealing.String():
			why = "it seals" + lastUse(k, now)
		case i == 0 && k.Expires != nil && k.State != keys.Opening.String():
			why = "it is the newest key"
		case k.State == keys.Expired.String():
			why = "it expired, but an older key that stays ends because of it"
		case k.Revoked != nil && k.Expires == nil:
			why = "the ring must know that it is revoked"
		case k.Expires == nil:
			why = "no newer key takes over from it"
		case k.Revoked != nil:
			why = fmt.Sprintf("until %s: until then the ring must know that it is revoked", from(*k.Expires, now))
		default:
			why = fmt.Sprintf("until %s: a session that it sealed may live for %s, and a day is for clocks that differ%s", from(*k.Expires, now), span(longest(d)), lastUse(k, now))
		}
		fmt.Fprintf(out, "Kept %s: %s.\n", safe(k.ID), why)
	}
}
