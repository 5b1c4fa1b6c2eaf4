package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

var errDeclined = errors.New("nothing was changed")

// confirm says what is about to happen and asks for a yes. With --yes it says nothing. Without a
// terminal it returns a usageError.
func confirm(cmd *cobra.Command, what, question string) error {
	if yes, _ := cmd.Flags().GetBool("yes"); yes {
		return nil
	}
	nobody := usagef("%s needs a yes, and nobody is here to give one: run it in a terminal, or with --yes", cmd.CommandPath())
	if !isTerminal(cmd.InOrStdin()) {
		return nobody
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s\n%s [y/N] ", what, question)
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err == io.EOF && answer == "" {
		fmt.Fprintln(cmd.ErrOrStderr())
		return nobody
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}

// asks reports whether confirm would ask.
func asks(cmd *cobra.Command) bool {
	yes, _ := cmd.Flags().GetBool("yes")
	return !yes && isTerminal(cmd.InOrStdin())
}

// isTerminal reports whether f is a terminal or another character device, except the null device.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
