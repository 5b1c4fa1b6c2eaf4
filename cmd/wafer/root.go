package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// newRoot builds the whole command.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "wafer",
		Short: "Sessions sealed in the cookie, served by any replica, revoked everywhere",
		Long: `Wafer keeps a web session sealed in the cookie, and revokes it everywhere within seconds.

This command makes, rotates and revokes the keys that seal sessions, ends sessions,
follows the list of revocations, checks a Redis, explains tokens, and runs a demo.
Exit codes: 0 done, 1 failed, 2 the command was not used right.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().Bool("yes", false, "answer yes to every question")
	root.AddCommand(demoCommand(), doctorCommand(), keysCommand(), revocationsCommand(), revokeCommand(), tokenCommand(), versionCommand())
	// A name for other commands is not one to run, though it has a RunE.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}", 1))
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if strings.HasPrefix(err.Error(), "unknown shorthand flag") {
			err = fmt.Errorf(`%w; an id that begins with "-" goes last, after "--"`, err)
		}
		return usageError{err}
	})
	prepare(root)
	return root
}

// prepare makes every wrong use of cmd, and of those below it, a usageError.
func prepare(cmd *cobra.Command) {
	switch check := cmd.Args; {
	case !cmd.Runnable(): // a name for others: `wafer keys`
		cmd.Args = cobra.ArbitraryArgs
		cmd.SuggestionsMinimumDistance = 2
		cmd.FParseErrWhitelist.UnknownFlags = true // they are of the command that is meant
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

// A usageError is the caller's: the command was not used right.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run executes root, says what went wrong, and returns the exit code.
func run(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	// Which package says it is the reader's least concern.
	text := strings.ReplaceAll(": "+err.Error(), ": keys: ", ": ")
	fmt.Fprintf(cmd.ErrOrStderr(), "wafer%s\n", text)
	if errors.As(err, new(usageError)) {
		fmt.Fprintf(cmd.ErrOrStderr(), "See '%s --help'.\n", cmd.CommandPath())
		return exitUsage
	}
	return exitFailed
}
