package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// Exit status.
const (
	exitFailed = 1
	exitUsage  = 2
)

// newRoot builds the whole command.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "wafer",
		Short: "Web sessions sealed in the cookie, and revoked everywhere within seconds",
		Long: `Wafer keeps a web session sealed in the cookie, and revokes it everywhere within seconds.

This command makes, rotates and revokes the keys that seal sessions, ends sessions,
looks up revocations, follows the list of them, checks a Redis, explains tokens, and
runs a demo.

Environment variables stand for flags that are not given:
  WAFER_REDIS, WAFER_PREFIX    --redis, --prefix
  WAFER_RING, WAFER_KEK_FILE   --file, --kek-file; WAFER_KEK holds the key itself
  WAFER_ADMIN                  --admin; WAFER_ADMIN_TOKEN holds the token
  WAFER_ADMIN_CA, WAFER_ADMIN_CERT, WAFER_ADMIN_KEY
  WAFER_AUDIT                  --audit

Durations are such as 30d, 1d12h or 10m.
Exit status: 0 success, 1 failure, 2 usage error.`,
		Version:       thisBuild().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.PersistentFlags().Bool("yes", false, "answer yes to every question")
	root.AddCommand(adminCommand(), auditCommand(), capacityCommand(), demoCommand(), doctorCommand(), keysCommand(), lookupCommand(), revocationsCommand(), revokeCommand(),
		tagCommand(), tokenCommand(), versionCommand())
	// A command that only groups others has a RunE too, but the help does not offer to run it.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 { // the flag belongs to the command that is meant
			return unknownCommand(cmd, cmd.Flags().Arg(0))
		}
		if strings.HasPrefix(err.Error(), "unknown shorthand flag") {
			err = fmt.Errorf(`%w; an id that begins with "-" goes last, after "--"`, err)
		}
		return usageError{err}
	})
	prepare(root)
	return root
}

// prepare makes every wrong use of cmd, and of the commands below it, a usageError, and lets commands
// read the environment.
func prepare(cmd *cobra.Command) {
	switch check := cmd.Args; {
	case !cmd.Runnable(): // it groups others: `wafer keys`
		cmd.Args = cobra.ArbitraryArgs
		cmd.SuggestionsMinimumDistance = 2
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		}
	case check != nil:
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := readEnvironment(cmd); err != nil {
				return err
			}
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		prepare(sub)
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	err := fmt.Errorf("there is no command %q", name)
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
	}
	return usageError{err}
}

// A usageError says that the command was used wrongly.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

var packageNames = regexp.MustCompile(`([:;])( (boltstore|keys|rediskeys|redisstore|revocation):)+ `)

// withoutPackages returns the text of an error without the packages that it comes from, which a reader
// does not care about.
func withoutPackages(err error) string {
	return strings.TrimPrefix(packageNames.ReplaceAllString(": "+err.Error(), "$1 "), ": ")
}

// run executes root, says what went wrong, and returns the exit status.
func run(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "wafer: %s\n", withoutPackages(err))
	if errors.As(err, new(usageError)) {
		fmt.Fprintf(cmd.ErrOrStderr(), "See '%s --help'.\n", cmd.CommandPath())
		return exitUsage
	}
	return exitFailed
}
