package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and change the ring of keys that seal sessions",
		Long: `Makes and changes the ring: the keys that seal sessions, in one encrypted file.
Running replicas follow the file.

Rotate every day or week. Revoke after a leak.`,
	}
	cmd.AddCommand(keysNew(), keysList(), keysRotate(), keysRevoke(), keysPrune(), keysExtend(), keysRewrap())
	return cmd
}

var stateColour = map[keys.State]string{
	keys.Pending: yellow, keys.Sealing: green, keys.Expired: dim, keys.Revoked: red,
}

// printRing prints the ring for people.
func printRing(w io.Writer, r *keys.Ring, now time.Time) {
	fmt.Fprintf(w, "Ring %s: %s, sessions of at most %s\n\n", r.ID(), counted(len(r.Keys()), "key"), span(r.MaxSession()))
	rows := [][]cell{{{"KID", dim}, {"STATE", dim}, {"SEALS FROM", dim}, {"OPENS UNTIL", dim}}}
	for _, k := range r.Keys() {
		state := r.State(k, now)
		until := from(k.Expires(), now)
		if at, revoked := k.Revoked(); revoked {
			until = "revoked " + from(at, now)
		} else if k.Expires().IsZero() {
			until = "a newer key takes over"
		}
		rows = append(rows, []cell{{k.ID(), ""}, {state.String(), stateColour[state]}, {from(k.NotBefore(), now), ""}, {until, ""}})
	}
	table(w, "", rows)
}

func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON")
}

func keysList() *cobra.Command {
	var ring ringFlags
	cmd := &cobra.Command{
		Use:   "list --file FILE",
		Short: "Show the keys and the state of each",
		Long: `Shows the keys, newest first. A key is pending until its time to seal comes,
sealing until a newer key takes over, opening while sessions that it sealed can
be valid, and then expired; or it is revoked. Secrets are not shown.`,
		Example: `  wafer keys list --file ring.jwe --kek-file kek
  wafer keys list --file ring.jwe --kek-file kek --json | jq -r '.keys[] | select(.state == "sealing").kid'`,
		Args: cobra.NoArgs,
	}
	ring.add(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := ring.read(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), adminapi.RingOf(r, time.Now()))
		}
		printRing(cmd.OutOrStdout(), r, time.Now())
		return nil
	}
	return cmd
}
