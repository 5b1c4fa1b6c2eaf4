package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

// keysCopy copies a ring out of its place, or into it.
type keysCopy struct {
	placeFlags
	auditFlags
	file string // "-": standard output or input
	kek  namedKEK
	json *bool
}

// maxCopy bounds what is read of a copy, in bytes. The longest ring is shorter.
const maxCopy = 2 << 20

func (f *keysCopy) add(cmd *cobra.Command, way, file, kek string) {
	f.addStore(cmd)
	f.auditFlags.add(cmd)
	f.kek.prefix, f.kek.variable = way+"-", copyKEKVariable
	flags := cmd.Flags()
	flags.StringVar(&f.file, way, "", file)
	flags.StringVar(&f.kek.file, way+"-kek-file", "", "`FILE` with the key encryption key of the copy"+kek+";\n"+copyKEKVariable+" may hold the key itself")
	flags.StringVar(&f.kek.passphraseFile, way+"-passphrase-file", "", "`FILE` with the passphrase of the copy")
	flags.BoolVar(&f.kek.plaintext, way+"-insecure-plaintext", false, "the copy is not encrypted: anybody who reads it can forge every\nsession")
	for _, name := range []string{way, way + "-kek-file", way + "-passphrase-file"} {
		cmd.MarkFlagFilename(name)
	}
	f.json = jsonFlag(cmd)
}

func keysExport() *cobra.Command {
	f := &keysCopy{}
	cmd := &cobra.Command{
		Use:   "export --to FILE",
		Short: "Write an encrypted copy of the ring, as a backup or for another place",
		Long: `Writes a copy of the ring, encrypted under the key encryption key (KEK) that you
name, into a file that does not exist yet. If the file of --to-kek-file does not
exist, the command makes it too.

Keep the copy and its KEK apart: anybody who has both can forge every session. A
copy does not learn of later changes. If a key is revoked after a leak, replace
the copies as well.

The export is one audit record, which this command prints to standard error, or
appends to the file of --audit.`,
		Example: `  wafer keys export --file ring.jwe --kek-file kek --to backup.jwe --to-kek-file backup.kek
  wafer keys export --redis redis://localhost:6379 --kek-file kek --to - --to-kek-file kek > ring.jwe`,
		Args: cobra.NoArgs,
	}
	f.add(cmd, "to", "`FILE` for the copy, - for standard output", ",\nmade if it does not exist")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.export(cmd) }
	return cmd
}

func (f *keysCopy) export(cmd *cobra.Command) error {
	if f.file == "-" && *f.json {
		return usagef("--to - writes the copy to standard output; it does not go with --json")
	}
	kek, what, r, err := f.read(cmd, "to")
	if err != nil {
		return err
	}
	makes := isMissing(f.kek.file)
	err = f.write(cmd, kek, r)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already, and is not overwritten", f.file)
	}
	if err != nil {
		return err
	}
	note := notes(cmd, *f.json || f.file == "-")
	if makes {
		fmt.Fprintf(note, keepApart, f.kek.file)
	}
	if f.kek.plaintext {
		fmt.Fprintln(cmd.ErrOrStderr(), "The copy is in plain text: anybody who reads it can forge every session.")
	}
	options := "to " + f.file
	if f.kek.plaintext {
		options += ", in plain text"
	}
	f.changed(cmd, audit.Change{What: "export", ID: r.ID(), Options: options})
	if *f.json {
		return printJSON(cmd.OutOrStdout(), adminapi.RingOf(r, time.Now()))
	}
	to := f.file
	if to == "-" {
		to = "standard output"
	}
	fmt.Fprintf(note, "Wrote a copy of the ring with %s to %s. It is encrypted with %s.\n", counted(len(r.Keys()), "key"), to, what)
	return nil
}

// read returns the ring, and the key encryption key of the copy with what to call it.
func (f *keysCopy) read(cmd *cobra.Command, way string) (kek keys.KEK, what string, r *keys.Ring, _ error) {
	if err := f.auditFlags.check(cmd); err != nil {
		return kek, "", nil, err
	}
	store, err := f.store()
	if err != nil {
		return kek, "", nil, err
	}
	kek, what, err = f.copyKEK(way)
	if err != nil {
		return kek, "", nil, err
	}
	opened, err := store.open(cmd.Context())
	if err != nil {
		return kek, "", nil, err
	}
	defer opened.Close()
	return kek, what, opened.Ring(), nil
}

func (f *keysCopy) copyKEK(way string) (keys.KEK, string, error) {
	if f.file == "" {
		return keys.KEK{}, "", usagef("which file holds the copy? Give --%s FILE", way)
	}
	return f.kek.kek(fmt.Sprintf("what is the copy encrypted with? Give --%[1]s-kek-file FILE, --%[1]s-passphrase-file FILE, or set %[2]s", way, copyKEKVariable))
}

func (f *keysCopy) write(cmd *cobra.Command, kek keys.KEK, r *keys.Ring) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), lockTime)
	defer cancel()
	if f.file != "-" {
		return keys.CreateFile(ctx, f.file, kek, r)
	}
	if f.kek.file != "" {
		if err := keys.CreateKEK(f.kek.file); err != nil {
			return err
		}
	}
	doc, err := kek.Seal(ctx, r)
	if err != nil {
		return err
	}
	_, err = cmd.OutOrStdout().Write(doc)
	return err
}

func keysImport() *cobra.Command {
	f := &keysCopy{}
	cmd := &cobra.Command{
		Use:   "import --from FILE",
		Short: "Put a copy of the ring into an empty place, or add what it knows to the ring",
		Long: `Reads a copy of a ring that 'wafer keys export' wrote, or any ring in a file.

If there is no ring yet at --file or --redis, the copy is put there. If there is a
copy of the same ring, the two are merged: the ring gets the keys and revocations
that it lacks, and loses none. Another ring is refused, because it would log
everybody out.

The import is one audit record, which this command prints to standard error, or
appends to the file of --audit.`,
		Example: `  wafer keys import --from backup.jwe --from-kek-file backup.kek --redis redis://localhost:6379 --kek-file kek
  kubectl get secret ring -o jsonpath='{.data.ring}' | base64 -d | wafer keys import --from - --from-kek-file kek --file ring.jwe --kek-file kek`,
		Args: cobra.NoArgs,
	}
	f.add(cmd, "from", "`FILE` with the copy, - for standard input", "")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.importCopy(cmd) }
	return cmd
}

func (f *keysCopy) importCopy(cmd *cobra.Command) error {
	if err := f.auditFlags.check(cmd); err != nil {
		return err
	}
	store, err := f.store()
	if err != nil {
		return err
	}
	r, err := f.readCopy(cmd)
	if err != nil {
		return err
	}
	opened, err := store.open(cmd.Context())
	if err == nil {
		defer opened.Close()
		return f.merge(cmd, store, opened, r)
	}
	if _, missing := errors.AsType[noRing](err); !missing {
		return err
	}
	_, err = f.create(cmd, r, *f.json)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("another process has just put a ring %s; run the command again", store)
	} else if err != nil {
		return err
	}
	f.changed(cmd, audit.Change{What: "import", ID: r.ID(), Added: adminapi.RingOf(r, time.Now()).Without(adminapi.Ring{})})
	now, out := time.Now(), cmd.OutOrStdout()
	if *f.json {
		return printJSON(out, adminapi.RingOf(r, now))
	}
	fmt.Fprintf(out, "Put the ring %s.\n\n", store)
	printRing(out, adminapi.RingOf(r, now), now)
	return nil
}

// readCopy reads the copy.
func (f *keysCopy) readCopy(cmd *cobra.Command) (*keys.Ring, error) {
	kek, _, err := f.copyKEK("from")
	if err != nil {
		return nil, err
	}
	in := cmd.InOrStdin()
	if f.file != "-" {
		file, err := os.Open(f.file)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	doc, err := io.ReadAll(io.LimitReader(in, maxCopy))
	if err != nil {
		return nil, err
	}
	r, err := kek.Open(cmd.Context(), doc)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, f.file)
	}
	return r, nil
}

// merge adds to a ring what a copy of it knows.
func (f *keysCopy) merge(cmd *cobra.Command, store ringStore, ring openedRing, r *keys.Ring) error {
	now, there := time.Now(), ring.Ring()
	merged, err := there.Merge(r)
	if errors.Is(err, keys.ErrForeign) {
		return fmt.Errorf("%s holds the ring %s, made %s, and the ring %s is %s, made %s. They are not copies of one ring. A ring is not replaced, since that would log everybody out; nothing was changed",
			f.file, r.ID(), utc(r.IssuedAt()), store, there.ID(), utc(there.IssuedAt()))
	} else if err != nil {
		return err
	}
	if ended := adminapi.RingOf(merged, now).RevokedSince(adminapi.RingOf(there, now)); len(ended) > 0 {
		if err := confirm(cmd, fmt.Sprintf("The copy says that %s revoked. Everybody whose session was sealed with it is logged out.", are(ended)), "Import it?"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), lockTime)
	defer cancel()
	var before, after adminapi.Ring // what was merged may be newer than what was asked about
	err = ring.Edit(audit.Recorded(ctx), func(base *keys.Ring) (*keys.Ring, error) {
		merged, err := base.Merge(r)
		if err == nil {
			before, after = adminapi.RingOf(base, now), adminapi.RingOf(merged, now)
		}
		return merged, err
	})
	if err != nil {
		return err
	}
	c, out := audit.Change{What: "import"}, cmd.OutOrStdout()
	changed := adminapi.Changes(&c, before, after)
	if changed {
		f.changed(cmd, c)
	}
	switch {
	case *f.json:
		return printJSON(out, after)
	case !changed:
		fmt.Fprintf(out, "The ring %s knows all of it already; nothing was changed.\n", store)
	default:
		printMerged(out, store, before, after)
	}
	return nil
}

// are says "key A is" or "keys A, B are".
func are(kids []string) string {
	if len(kids) == 1 {
		return "key " + kids[0] + " is"
	}
	return "keys " + strings.Join(kids, ", ") + " are"
}

func printMerged(out io.Writer, store ringStore, before, after adminapi.Ring) {
	fmt.Fprintf(out, "Merged the copy into the ring %s.\n", store)
	if added := after.Without(before); len(added) > 0 {
		fmt.Fprintf(out, "Added %s.\n", strings.Join(added, ", "))
	}
	if ended := after.RevokedSince(before); len(ended) > 0 {
		fmt.Fprintf(out, "Revoked %s.\n", strings.Join(ended, ", "))
	}
	if after.MaxSession != before.MaxSession {
		fmt.Fprintf(out, "It is made for sessions of %s now; before it was %s.\n", span(longest(after)), span(longest(before)))
	}
}
