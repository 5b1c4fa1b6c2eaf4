package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func revocationsReset() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Take away a list that replicas cannot follow, so that they begin it anew",
		Long: `Takes the list in a Redis away, so that the applications begin it anew: for one
that is damaged, or belongs to a ring that is gone. Look at it first with
'wafer revocations inspect'.

What it costs: every session that was last checked before now is in doubt.
Applications that run settle those that they know, and write the revocations of
the last ten minutes back. All other sessions get 503 for a minute and have to
log in again. Older revocations stay in force if the ring is the same and the
list can be read; if not, sessions that they ended stay out, for they have to
log in again, too.`,
		Args: cobra.NoArgs,
	}
	f.addRedis(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.redis == "" {
			return usagef("which list? Give --redis URL; one in a file is begun anew when its application is stopped, the file removed, and the application started")
		}
		s, closeStore, err := f.store(cmd.Context())
		if err != nil {
			return err
		}
		defer closeStore()
		p, err := s.Read(cmd.Context(), revlog.Cursor{Limit: 1})
		what := "The list of this Redis is damaged."
		switch {
		case err == nil:
			what = fmt.Sprintf("The list is at position %s and complete from %s.", p.Head.Position(), utc(instant(p.Head.Born)))
		case errors.Is(err, revlog.ErrLost):
			what = "The list of this Redis is gone in part or in whole."
		}
		what += " Taken away, it puts every session that was checked before now in doubt: those that no running application knows have to log in again."
		if err := confirm(cmd, what, "Take the list away?"); err != nil {
			return err
		}
		done, err := s.(*redisstore.Store).Reset(cmd.Context(), p.Head.ID)
		switch {
		case err != nil:
			return err
		case !done:
			return errors.New("the list changed meanwhile, and nothing was done: look again with 'wafer revocations inspect'")
		}
		fmt.Fprintln(cmd.OutOrStdout(), "The list is gone. Applications that run begin it anew within a second, others when they start.")
		return nil
	}
	return cmd
}
