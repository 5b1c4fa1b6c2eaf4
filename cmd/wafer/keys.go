package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and keep the ring of keys that seal sessions",
		Long: `Makes and keeps the ring: the keys that seal sessions, in one encrypted file.
Running replicas follow the file.

Every day or week, rotate. After a leak, revoke.`,
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

func keysNew() *cobra.Command {
	var (
		ring       ringFlags
		maxSession days
	)
	cmd := &cobra.Command{
		Use:   "new --file FILE",
		Short: "Make a ring",
		Long: `Makes a ring with one key, encrypted under a key encryption key (KEK). It
never overwrites a ring.

If the file of --kek-file does not exist, it is made too. Keep it apart from
the ring and from its backups: whoever has both can forge every session.
WAFER_KEK holds the same in a variable: 32 random bytes in unpadded base64url.`,
		Example: `  wafer keys new --file ring.jwe --kek-file kek
  WAFER_KEK=$(openssl rand 32 | basenc --base64url | tr -d '=\n') wafer keys new --file ring.jwe`,
		Args: cobra.NoArgs,
	}
	ring.add(cmd)
	cmd.Flags().Var(&maxSession, "max-session", "longest life of a session, such as 12h or 30d (default 1d)")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if time.Duration(maxSession) > keys.LongestSession {
			return usagef("--max-session is at most %s", span(keys.LongestSession))
		}
		if ring.file == "" {
			return usagef("where to? Give --file FILE")
		}
		kek, err := ring.kek()
		if err != nil {
			return err
		}
		_, err = os.Stat(ring.kekFile)
		makesKEK := ring.kekFile != "" && errors.Is(err, fs.ErrNotExist)
		r := keys.Generate(time.Duration(maxSession))
		err = keys.CreateFile(cmd.Context(), ring.file, kek, r)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s exists already. A new ring in its place would log everybody out; to replace the key, 'wafer keys rotate'", ring.file)
		}
		if err != nil {
			return err
		}
		now, out, notes := time.Now(), cmd.OutOrStdout(), cmd.OutOrStdout()
		if *asJSON {
			notes = cmd.ErrOrStderr()
		}
		if makesKEK {
			fmt.Fprintf(notes, "Made the key encryption key %s. Keep it apart from the ring: whoever has both can forge every session.\n", ring.kekFile)
		}
		if ring.plaintext {
			fmt.Fprintf(cmd.ErrOrStderr(), "The ring is in plain text: whoever reads %s can forge every session.\n", ring.file)
		}
		if *asJSON {
			return printJSON(out, adminapi.RingOf(r, now))
		}
		fmt.Fprintf(out, "Made the ring %s.\n\n", ring.file)
		printRing(out, r, now)
		return nil
	}
	return cmd
}

func keysList() *cobra.Command {
	var ring ringFlags
	cmd := &cobra.Command{
		Use:   "list --file FILE",
		Short: "Show the keys and where each is in its life",
		Long: `Shows the keys, newest first. A key is pending until its time to seal comes,
sealing until a newer one takes over, opening while sessions it sealed may
live, and then expired; or it is revoked. Secrets are not shown.`,
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
