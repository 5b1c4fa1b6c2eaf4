package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

func keysNew() *cobra.Command {
	var (
		ring       ringFlags
		maxSession days
	)
	cmd := &cobra.Command{
		Use:   "new --file FILE",
		Short: "Make a ring",
		Long: `Makes a ring with one key, encrypted under a key encryption key (KEK). It never
overwrites a ring.

If the file of --kek-file does not exist, the command makes it too. Keep it apart
from the ring and from its backups: anybody who has both can forge every session.
WAFER_KEK holds the key itself: 32 random bytes in unpadded base64url.`,
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
		r, madeKEK, err := ring.create(cmd.Context(), time.Duration(maxSession))
		if err != nil {
			return err
		}
		now, out, notes := time.Now(), cmd.OutOrStdout(), cmd.OutOrStdout()
		if *asJSON {
			notes = cmd.ErrOrStderr()
		}
		if madeKEK {
			fmt.Fprintf(notes, keepApart, ring.kekFile)
		}
		if ring.plaintext {
			fmt.Fprintf(cmd.ErrOrStderr(), "The ring is in plain text: anybody who reads %s can forge every session.\n", ring.file)
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

const keepApart = "Made the key encryption key %s. Keep it apart from the ring: anybody who has both can forge every session.\n"

// create makes a ring in a file, and the file with the key encryption key if needed.
func (f *ringFlags) create(ctx context.Context, maxSession time.Duration) (r *keys.Ring, madeKEK bool, err error) {
	if f.file == "" {
		return nil, false, usagef("where to? Give --file FILE")
	}
	kek, err := f.kek()
	if err != nil {
		return nil, false, err
	}
	madeKEK = isMissing(f.kekFile)
	r = keys.Generate(maxSession)
	err = keys.CreateFile(ctx, f.file, kek, r)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%s exists already. A new ring in its place would log everybody out; 'wafer keys rotate' replaces the key", f.file)
	}
	return r, madeKEK, err
}

// isMissing reports whether a file is named that does not exist.
func isMissing(file string) bool {
	_, err := os.Stat(file)
	return file != "" && errors.Is(err, fs.ErrNotExist)
}
