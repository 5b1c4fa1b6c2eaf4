package main

import (
	"github.com/spf13/cobra"
)

func revocationsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revocations",
		Short: "Show the list of revocations, follow it, begin it, or begin it anew",
	}
	cmd.AddCommand(revocationsStats(), revocationsList(), revocationsWatch(), revocationsInit(), revocationsInspect(), revocationsReset())
	return cmd
}
