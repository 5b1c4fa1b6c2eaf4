package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

func keysRewrap() *cobra.Command {
	var f keysRewrapping
	to := namedKEK{prefix: "new-", variable: newKEKVariable}
	cmd := &cobra.Command{
		Use:   "rewrap",
		Short: "Encrypt the ring under another key or passphrase; nobody is logged out",
		Long: `Encrypts the ring under another key encryption key (KEK) or passphrase, in its file
or in Redis. The ring itself does not change, so nobody is logged out.

Name the old KEK as always (--kek-file, --passphrase-file or WAFER_KEK), and the
new one with --new-kek-file, --new-passphrase-file or WAFER_NEW_KEK. If the new
KEK file does not exist, the command makes it.

Replicas that run with both KEKs (keys.KEKs) follow by themselves. Those that run
with the old KEK alone keep the ring that they have, and see no change of it until
you restart them with the new KEK. So give all replicas both KEKs first, then
rewrap the ring, and then take the old KEK away. Meanwhile, give --kek-file twice
to other commands: they open the ring with either KEK.

The rewrap is one audit record, which this command prints to standard error,
or appends to the file of --audit.`,
		Example: `  wafer keys rewrap --file ring.jwe --kek-file kek --new-kek-file kek2
  wafer keys rewrap --redis redis://localhost:6379 --kek-file kek --new-kek-file kek2
  wafer keys rewrap --file ring.json --insecure-plaintext --new-kek-file kek`,
		Args: cobra.NoArgs,
	}
	f.addStore(cmd)
	f.auditFlags.add(cmd)
	f.json = jsonFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&to.file, "new-kek-file", "", "`FILE` with the new key encryption key, made if it does not exist;\n"+newKEKVariable+" may hold the key itself")
	flags.StringVar(&to.passphraseFile, "new-passphrase-file", "", "`FILE` with the new passphrase")
	cmd.MarkFlagFilename("new-kek-file")
	cmd.MarkFlagFilename("new-passphrase-file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.rewrap(cmd, to) }
	return cmd
}

// keysRewrapping encrypts a ring under another KEK.
type keysRewrapping struct {
	placeFlags
	auditFlags
	json *bool
}

func (f *keysRewrapping) rewrap(cmd *cobra.Command, to namedKEK) error {
	if err := f.auditFlags.check(cmd); err != nil {
		return err
	}
	store, err := f.store()
	if err != nil {
		return err
	}
	kek, what, err := to.kek("what is the new encryption of the ring? Give --new-kek-file FILE, --new-passphrase-file FILE, or set " + newKEKVariable)
	if err != nil {
		return err
	}
	if to.file != "" && f.ring.onlyFile(to.file) {
		return usagef("--new-kek-file and --kek-file name the same file; name another one, which is made if it does not exist")
	}
	makes := isMissing(to.file)
	ctx, cancel := context.WithTimeout(cmd.Context(), lockTime)
	defer cancel()
	r, err := f.read(ctx, store, kek, makes)
	if err != nil {
		return err
	}
	if makes { // only if the old KEK opens the ring
		if err := keys.CreateKEK(to.file); err != nil {
			return err
		}
	}
	if err := store.rewrap(ctx, kek); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if makes {
		fmt.Fprintf(notes(cmd, *f.json), keepApart, to.file)
	}
	f.changed(cmd, audit.Change{What: "rewrap", ID: r.ID(), Options: "under " + what})
	if *f.json {
		return printJSON(out, adminapi.RingOf(r, time.Now()))
	}
	fmt.Fprintf(out, "The ring %s is encrypted with %s. Nobody is logged out.\nReplicas that have only the old key or passphrase see no change of the ring until they are restarted with the new one.\n", store, what)
	return nil
}

// read returns the ring, which may be under the new KEK already unless that is still to be made.
func (f *keysRewrapping) read(ctx context.Context, store ringStore, kek keys.KEK, makes bool) (*keys.Ring, error) {
	if !makes {
		store = store.or(kek)
	}
	opened, err := store.open(ctx)
	if err != nil {
		return nil, err
	}
	return opened.Ring(), opened.Close()
}
