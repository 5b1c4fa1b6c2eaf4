package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

func keysNew() *cobra.Command {
	var (
		f          placeFlags
		by         auditFlags
		maxSession days
	)
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Make a ring",
		Long: `Makes a ring with one key, encrypted under a key encryption key (KEK), in a file
or in Redis. It never overwrites a ring.

If the file of --kek-file does not exist, the command makes it too. Keep it apart
from the ring and from its backups: anybody who has both can forge every session.
WAFER_KEK holds the key itself: 32 random bytes in unpadded base64url.

If a Redis lost its ring while replicas run, they write the old ring back. So in
Redis the command takes some seconds, and fails if the old ring comes back.

The new ring is one audit record, which this command prints to standard error,
or appends to the file of --audit.`,
		Example: `  wafer keys new --file ring.jwe --kek-file kek
  wafer keys new --redis redis://localhost:6379 --kek-file kek
  WAFER_KEK=$(openssl rand 32 | basenc --base64url | tr -d '=\n') wafer keys new --file ring.jwe`,
		Args: cobra.NoArgs,
	}
	f.addStore(cmd)
	by.add(cmd)
	cmd.Flags().Var(&maxSession, "max-session", "longest life of a session, such as 12h or 30d (default 1d)")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if time.Duration(maxSession) > keys.LongestSession {
			return usagef("--max-session is at most %s", span(keys.LongestSession))
		}
		if err := by.check(cmd); err != nil {
			return err
		}
		return f.makeRing(cmd, keys.Generate(time.Duration(maxSession)), &by, *asJSON)
	}
	return cmd
}

// makeRing stores r where there is no ring, and prints it.
func (f *placeFlags) makeRing(cmd *cobra.Command, r *keys.Ring, by *auditFlags, asJSON bool) error {
	if f.ring.file == "" && f.redis != "" && isTerminal(cmd.ErrOrStderr()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "Making the ring, and waiting for some seconds, in case a replica has one that this Redis lost …")
	}
	store, err := f.create(cmd, r, asJSON)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a ring %s already. A new ring in its place would log everybody out; 'wafer keys rotate' replaces the key", store)
	} else if err != nil {
		return err
	}
	now, out := time.Now(), cmd.OutOrStdout()
	d := adminapi.RingOf(r, now)
	by.changed(cmd, audit.Change{What: "new", ID: r.ID(), Added: d.Without(adminapi.Ring{})})
	if asJSON {
		return printJSON(out, d)
	}
	fmt.Fprintf(out, "Made the ring %s.\n\n", store)
	printRing(out, d, now)
	return nil
}

const keepApart = "Made the key encryption key %s. Keep it apart from the ring: anybody who has both can forge every session.\n"

// create stores a ring where there is none, and makes the file with the key encryption key if that is
// missing.
func (f *placeFlags) create(cmd *cobra.Command, r *keys.Ring, asJSON bool) (ringStore, error) {
	store, err := f.store()
	if err != nil {
		return nil, err
	}
	makes := isMissing(f.ring.firstKEKFile())
	if err := store.create(cmd.Context(), r); err != nil {
		return store, err
	}
	if makes {
		fmt.Fprintf(notes(cmd, asJSON), keepApart, f.ring.firstKEKFile())
	}
	if f.ring.plaintext {
		fmt.Fprintf(cmd.ErrOrStderr(), "The ring is in plain text: anybody who reads %s can forge every session.\n", f.reads())
	}
	return store, nil
}

// reads says what somebody reads who reads the ring.
func (f *placeFlags) reads() string {
	if f.ring.file != "" {
		return f.ring.file
	}
	return "that Redis"
}

// notes returns where to print what is not JSON.
func notes(cmd *cobra.Command, asJSON bool) io.Writer {
	if asJSON {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}
