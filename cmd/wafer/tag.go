package main

import (
	"fmt"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func tagCommand() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "tag session|subject|group|key ID",
		Short: "Print the tag that stands for an id in audit records and in the list",
		Long: `Prints the tag that stands for a session, a subject, a group or a key. Audit
records and the list have tags and no ids. Only a holder of the ring can compute
the tag of an id.

With it, grep finds in the audit records who ended the sessions of ada, when and
why. A session that was revoked by its own id is found by the tag of that id.`,
		Example: `  grep "$(wafer tag subject ada --file ring.jwe --kek-file kek)" /var/log/shop.log`,
		Args:    cobra.ArbitraryArgs,
	}
	f.addRedis(cmd)
	f.ring.add(cmd)
	completeScopes(cmd, "session", "subject", "group", "key")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) != 2 || args[0] == "everyone" {
			return usagef("the tag of what? Give session, subject, group or key, and an id")
		}
		target, err := parseTarget(args)
		if err != nil {
			return err
		}
		ring, err := f.readRing(cmd.Context())
		if err != nil {
			return err
		}
		if err := target.Check(); err != nil {
			return usageError{err}
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), revocation.Disabled(ring).Tag(target)) // it has no store, and computes tags
		return err
	}
	return cmd
}

// parseTarget reads a scope and, unless that is everyone, an id.
func parseTarget(args []string) (revocation.Target, error) {
	scope, ok := revlog.ParseScope(args[0])
	if !ok {
		return revocation.Target{}, usagef("%s is none of session, subject, group, key and everyone", safe(args[0]))
	}
	id := ""
	switch {
	case scope == revlog.ScopeEveryone && len(args) == 1:
	case scope == revlog.ScopeEveryone:
		return revocation.Target{}, usagef("everyone takes no id")
	case len(args) != 2:
		return revocation.Target{}, usagef("which %v? Give one id", scope)
	case !utf8.ValidString(args[1]):
		return revocation.Target{}, usagef("the id of the %v is not UTF-8", scope)
	default:
		id = args[1]
	}
	return revocation.TargetOf(scope, id), nil
}

func completeScopes(cmd *cobra.Command, scopes ...cobra.Completion) {
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return scopes, cobra.ShellCompDirectiveNoFileComp
	}
}
