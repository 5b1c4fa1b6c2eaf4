package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/httpmw/admin"
)

func adminCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "admin",
		Short: "Make tokens for the admin API",
	}
	cmd.AddCommand(adminToken())
	return cmd
}

func adminToken() *cobra.Command {
	var roles []string
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a token of the admin API",
		Long: `Makes a token of the admin API. It prints two things: the token, for its holder,
and a line for the application, which needs the name, the roles and a digest. The
application reads such lines with admin.ParseTokens. They are no secret.

The name is the actor in audit records. To replace a token, make one with another
name, add its line to the application, hand the token out, and remove the old line
when no audit record names it any more. Until then both are valid.

Roles:
  read    look up and list revocations, see the status, the replicas and the ring
  revoke  the same, and revoke sessions
  keys    the same as read, and change the ring`,
		Example: `  wafer admin token deploy-2 --roles revoke,keys`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("which name? Give one NAME; audit records have it")
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&roles, "roles", nil, "what the holder may do, with commas between: `ROLES` are read,\nrevoke and keys")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(roles) == 0 {
			return usagef("which roles? Give --roles with read, revoke or keys, or several with commas between")
		}
		wanted := make([]admin.Role, len(roles))
		for i, r := range roles {
			wanted[i] = admin.Role(r)
		}
		token, secret, err := admin.NewToken(args[0], wanted...)
		if err != nil {
			return usageError{err}
		}
		line, err := token.MarshalText()
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), adminTokenJSON{token.Name, roles, secret, string(line)})
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "Token of %s, for %s=... or --admin-token-file; it is not shown again:\n%s\n\nLine for the application:\n%s\n",
			token.Name, adminTokenVariable, secret, strings.TrimSpace(string(line)))
		return err
	}
	return cmd
}

// adminTokenJSON is a new token as --json prints it.
type adminTokenJSON struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
	Token string   `json:"token"`
	Line  string   `json:"line"` // for the application
}
