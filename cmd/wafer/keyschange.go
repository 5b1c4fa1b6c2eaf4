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
		Short: "Prepare the ring for longer sessions; nobody is logged out",
		Long: `Raises the longest life of a session that the ring is made for. The ring keeps a
key for as long as sessions can live. So do this first, and then configure the
application for longer sessions (Config.Absolute, Config.Remember).

The limit cannot be lowered again.`,
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
		Long: `Encrypts the ring under another key encryption key (KEK) or passphrase. The ring
itself does not change, so nobody is logged out.

Name the old KEK as always (--kek-file, --passphrase-file or WAFER_KEK), and the
new one with --new-kek-file, --new-passphrase-file or WAFER_NEW_KEK. If the new
KEK file does not exist, the command makes it.

Replicas that run with the old KEK keep the ring that they have. They see no
change of the file until you restart them with the new KEK. Do that soon.`,
		Example: `  wafer keys rewrap --file ring.jwe --kek-file kek --new-kek-file kek2
  wafer keys rewrap --file ring.json --insecure-plaintext --new-kek-file kek`,
		Args: cobra.NoArgs,
	}
	ring.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&newKEKFile, "new-kek-file", "", "`FILE` with the new key encryption key, made if it does not exist;\n"+newKEKVariable+" may hold the key itself")
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
		to, what, err := newKEK(newKEKFile, newPhrase)
		if err != nil {
			return err
		}
		makes := isMissing(newKEKFile)
		if err := ring.rewrap(cmd.Context(), from, to); err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if makes {
			fmt.Fprintf(out, keepApart, newKEKFile)
		}
		fmt.Fprintf(out, "The ring %s is encrypted with %s. Nobody is logged out.\nRestart the replicas with it soon: until then they see no change of the ring.\n", ring.file, what)
		return nil
	}
	return cmd
}

func (f *ringFlags) rewrap(ctx context.Context, from, to keys.KEK) error {
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	err := keys.RewrapFile(ctx, f.file, from, to)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, keys.ErrKEK) {
		return noRing(f.file)
	}
	return err
}

// newKEK returns what the ring is to be encrypted with, and what to call it.
func newKEK(file, passphraseFile string) (_ keys.KEK, what string, _ error) {
	switch {
	case file != "" && passphraseFile != "":
		return keys.KEK{}, "", usagef("give one of --new-kek-file and --new-passphrase-file")
	case file != "":
		return keys.KEKFile(file), "the key of " + file, nil
	case passphraseFile != "":
		return keys.PassphraseFile(passphraseFile), "the passphrase of " + passphraseFile, nil
	case os.Getenv(newKEKVariable) != "":
		return keys.KEKEnv(newKEKVariable), "the key of " + newKEKVariable, nil
	}
	return keys.KEK{}, "", usagef("what is the new encryption of the ring? Give --new-kek-file FILE, --new-passphrase-file FILE, or set %s", newKEKVariable)
}
