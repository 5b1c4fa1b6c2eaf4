package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

func revocationsInit() *cobra.Command {
	var f listFlags
	maxIdle := days(2 * time.Hour)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Begin a list where there is none",
		Long: `Begins a list where there is none. Applications do that by themselves; with a
list that was begun earlier you can revoke before any application runs. An
existing list stays as it is.`,
		Args: cobra.NoArgs,
	}
	f.addFollowed(cmd)
	cmd.Flags().Var(&maxIdle, "max-idle", "remember revocations for at least this `DURATION`, the longest\nidle limit of any session, such as 2h or 7d")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.redis == "" || f.bolt != "" || f.admin.url != "" {
			return usagef("where? Give --redis URL; the application begins a list in a file")
		}
		return f.begin(cmd.Context(), time.Duration(maxIdle), cmd.OutOrStdout())
	}
	return cmd
}

// begin begins a list unless there is one.
func (f *listFlags) begin(ctx context.Context, maxIdle time.Duration, out io.Writer) error {
	s, closeStore, err := f.store(ctx)
	if err != nil {
		return err
	}
	missing := exists(ctx, s)
	closeStore()
	if missing != nil && !errors.Is(missing, errNoList) && !errors.Is(missing, errDamaged) {
		return missing
	}
	l, err := f.open(ctx, maxIdle, true)
	if err != nil {
		return err
	}
	defer l.Close()
	what := "The list is begun"
	if missing == nil {
		what = "There is a list already"
	}
	_, err = fmt.Fprintf(out, "%s: position %s\n", what, l.Stats().Position)
	return err
}
