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

const newKEKVariable = "WAFER_NEW_KEK"

func keysExtend() *cobra.Command {
	var (
		ring       ringFlags
		maxSession days
	)
	cmd := &cobra.Command{
		Use:   "extend --file FILE --max-session TIME",
		Short: "Make the ring fit for longer sessions; nobody is logged out",
		Long: `Raises the longest life of a session that the ring is made for. Keys are kept
for as long as sessions may live, so do this first, and then configure the
application for longer sessions (Config.Absolute, Config.Remember).

It cannot be lowered again.`,
		Example: `  wafer keys extend --file ring.jwe --kek-file kek --max-session 30d`,
		Args:    cobra.NoArgs,
	}
	ring.add(cmd)
	cmd.Flags().Var(&maxSession, "max-session", "longest life of a session, such as 12h or 30d")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		longest := time.Duration(maxSession)
		switch {
		case longest <= 0:
			return usagef("how long? Give --max-session TIME, such as 30d")
		case longest > keys.LongestSession:
			return usagef("--max-session is at most %s", span(keys.LongestSession))
		}
		now := time.Now()
		before, r, err := ring.edit(cmd.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Extend(now, longest) })
		if errors.Is(err, keys.ErrShorter) {
			return fmt.Errorf("the ring is made for sessions of %s already, and cannot be made for shorter ones", span(before.MaxSession()))
		}
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		switch {
		case *asJSON:
			return printJSON(out, adminapi.RingOf(r, now))
		case before.MaxSession() == r.MaxSession():
			fmt.Fprintf(out, "The ring is made for sessions of %s already; nothing was changed.\n", span(r.MaxSession()))
			return nil
		}
		fmt.Fprintf(out, "The ring is made for sessions of %s now; before it was %s. Nobody is logged out.\nWhen every replica has read it, configure the application for longer sessions.\n",
			span(r.MaxSession()), span(before.MaxSession()))
		return nil
	}
	return cmd
}

func keysRewrap() *cobra.Command {
	var (
		ring                  ringFlags
		newKEKFile, newPhrase string
	)
	cmd := &cobra.Command{
		Use:   "rewrap --file FILE",
		Short: "Encrypt the ring under another key or passphrase; nobody is logged out",
		Long: `Encrypts the ring under another key encryption key (KEK) or passphrase. The
ring itself stays as it is, so nobody is logged out.

Name the old one as always (--kek-file, --passphrase-file or WAFER_KEK), and the
new one by --new-kek-file, --new-passphrase-file or WAFER_NEW_KEK. A new KEK
file that does not exist is made.

Replicas that run with the old one go on with the ring they have, but see no
change of the file until they are started with the new one. Do that soon.`,
		Example: `  wafer keys rewrap --file ring.jwe --kek-file kek --new-kek-file kek2
  wafer keys rewrap --file ring.json --insecure-plaintext --new-kek-file kek`,
		Args: cobra.NoArgs,
	}
	ring.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&newKEKFile, "new-kek-file", "", "`FILE` with the new key encryption key; it is made if there is none;\nwithout it, "+newKEKVariable)
	flags.StringVar(&newPhrase, "new-passphrase-file", "", "`FILE` with the new passphrase")
	cmd.MarkFlagFilename("new-kek-file")
	cmd.MarkFlagFilename("new-passphrase-file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if ring.file == "" {
			return usagef("which ring? Give --file FILE")
		}
		from, err := ring.kek()
		if err != nil {
			return err
		}
		var (
			to   keys.KEK
			what string
		)
		switch {
		case newKEKFile != "" && newPhrase != "":
			return usagef("give one of --new-kek-file and --new-passphrase-file")
		case newKEKFile != "":
			to, what = keys.KEKFile(newKEKFile), "the key of "+newKEKFile
		case newPhrase != "":
			to, what = keys.PassphraseFile(newPhrase), "the passphrase of "+newPhrase
		case os.Getenv(newKEKVariable) != "":
			to, what = keys.KEKEnv(newKEKVariable), "the key of "+newKEKVariable
		default:
			return usagef("what shall the ring be encrypted with? Give --new-kek-file FILE, --new-passphrase-file FILE, or set %s", newKEKVariable)
		}
		_, err = os.Stat(newKEKFile)
		makes := newKEKFile != "" && errors.Is(err, fs.ErrNotExist)
		ctx, cancel := context.WithTimeout(cmd.Context(), lockTime)
		defer cancel()
		err = keys.RewrapFile(ctx, ring.file, from, to)
		if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, keys.ErrKEK) {
			return errors.New("there is no ring " + ring.file + "; 'wafer keys new' makes one")
		}
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if makes {
			fmt.Fprintf(out, "Made the key encryption key %s. Keep it apart from the ring: whoever has both can forge every session.\n", newKEKFile)
		}
		fmt.Fprintf(out, "The ring %s is encrypted with %s. Nobody is logged out.\nStart the replicas again with it soon: those that run see no change of the ring until then.\n", ring.file, what)
		return nil
	}
	return cmd
}
