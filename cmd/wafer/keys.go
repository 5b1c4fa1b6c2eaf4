package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
)

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make and change the ring of keys that seal sessions",
		Long: `Makes and changes the ring: the keys that seal sessions, encrypted, in a file or
in Redis. Running replicas follow it.

Say where the ring is:
  --file FILE              in that file
  --redis URL              in that Redis, under --prefix
  --file FILE --redis URL  in the file; the list in Redis knows the replicas
  --admin URL              where the application keeps it, which changes it itself

Rotate every day or week. Revoke after a leak.`,
	}
	cmd.AddCommand(keysNew(), keysList(), keysRotate(), keysRevoke(), keysPrune(), keysExtend(), keysRewrap(),
		keysExport(), keysImport(), keysDrill())
	return cmd
}

func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON")
}

// keysChange is what all commands have that change a ring in any place.
type keysChange struct {
	placeFlags
	auditFlags
	json *bool
}

func (f *keysChange) add(cmd *cobra.Command) {
	f.placeFlags.add(cmd)
	f.auditFlags.add(cmd)
	f.json = jsonFlag(cmd)
	cmd.Long += "\n\n" + auditHelp
}

// open checks the flags and opens the place of the ring.
func (f *keysChange) open(cmd *cobra.Command) (ringPlace, error) {
	if err := f.auditFlags.check(cmd); err != nil {
		return nil, err
	}
	return f.place(cmd)
}

// change changes the ring. If this process did so itself, it writes the audit record. If nothing had to
// change, there is none.
func (f *keysChange) change(cmd *cobra.Command, p ringPlace, path string, asked ringChange) (before, after adminapi.Ring, err error) {
	before, after, err = p.change(cmd.Context(), path, asked)
	if err != nil || f.admin.url != "" {
		return before, after, err
	}
	if c := (audit.Change{What: strings.TrimPrefix(path, "/keys/")}); adminapi.Changes(&c, before, after) {
		f.changed(cmd, c)
	}
	return before, after, err
}
