package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func revocationsReset() *cobra.Command {
	var (
		f  listFlags
		by auditFlags
	)
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Delete a list that replicas cannot follow, so that they begin a new one",
		Long: `Deletes the list in a Redis, so that the applications begin a new one. Use it for
a list that is damaged, or that belongs to a ring that is gone. Look at the list
first with 'wafer revocations inspect'.

What it costs: every session that was last checked before now is in doubt. The
running applications confirm the sessions that they know, and write the
revocations of the last ten minutes back. All other sessions get 503 for a
minute and then must log in again. Older revocations stay in force if the ring
is the same and the list can be read. If not, the sessions that they ended stay
out all the same, because they too must log in again.

The change is one audit record, a line of JSON: who, why, when and which list.
This command appends it to the file of --audit, or prints it to standard error;
keep it.`,
		Args: cobra.NoArgs,
	}
	f.addRedis(cmd)
	by.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return reset(cmd, &f, &by) }
	return cmd
}

func reset(cmd *cobra.Command, f *listFlags, by *auditFlags) error {
	if f.redis == "" {
		return usagef("which list? Give --redis URL; for a list in a file, stop its application, delete the file and start the application again")
	}
	if err := by.check(cmd); err != nil {
		return err
	}
	s, closeStore, err := f.store(cmd.Context())
	if err != nil {
		return err
	}
	defer closeStore()
	id, what := describeList(cmd.Context(), s)
	what += " If it is deleted, every session that was checked before now is in doubt: those that no running application knows must log in again."
	if err := confirm(cmd, what, "Delete the list?"); err != nil {
		return err
	}
	done, err := s.(*redisstore.Store).Reset(cmd.Context(), id)
	if done || err != nil { // after an error it may be done
		by.reset(cmd, id, err)
	}
	switch {
	case err != nil:
		return err
	case !done:
		return errors.New("the list changed meanwhile, and nothing was done; look again with 'wafer revocations inspect'")
	}
	fmt.Fprintln(cmd.OutOrStdout(), "The list is deleted. Running applications begin a new one within a second, others when they start.")
	return nil
}

// describeList says how much there is of the list in s.
func describeList(ctx context.Context, s revlog.Store) (revlog.ListID, string) {
	p, err := s.Read(ctx, revlog.Cursor{Limit: 1})
	switch {
	case err == nil:
		return p.Head.ID, fmt.Sprintf("The list is at position %s and complete from %s.", p.Head.Position(), utc(instant(p.Head.Born)))
	case errors.Is(err, revlog.ErrLost):
		return p.Head.ID, "The list of this Redis is lost in part or completely."
	}
	return p.Head.ID, "The list of this Redis is damaged."
}

// reset writes the record of a list that was deleted.
func (f *auditFlags) reset(cmd *cobra.Command, id revlog.ListID, err error) {
	r := audit.Record{Action: audit.Reset}
	if id != (revlog.ListID{}) {
		r.List = hex.EncodeToString(id[:])
	}
	if err != nil {
		r.Error = err.Error()
	}
	r.Write(f.by(cmd.Context()), f.records)
}
