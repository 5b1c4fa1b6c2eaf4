package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/token"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Explain tokens",
	}
	cmd.AddCommand(tokenInspect())
	return cmd
}

func tokenInspect() *cobra.Command {
	var ring ringFlags
	cmd := &cobra.Command{
		Use:   "inspect [--file FILE] [TOKEN | -]",
		Short: "Show what a token says, and whether it is good",
		Long: `Shows the header of a token and, with the ring, what is sealed in it, and
whether it is good. The value of a cookie is a token.

A token is as good as a password until its session ends. Give it on standard
input, so that it stays out of the history of the shell: without TOKEN, or
with -, it is read from there.

Whether the session was revoked is not in the token; the list of revocations
knows. The exit code is 1 for what is no token and, with the ring, for a token
that does not open.`,
		Example: `  wafer token inspect < token.txt
  xclip -o | wafer token inspect --file ring.jwe --kek-file kek`,
		Args: cobra.MaximumNArgs(1),
	}
	ring.add(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		compact, err := readToken(cmd, args)
		if err != nil {
			return err
		}
		in := inspectHeader(compact)
		if ring.file != "" {
			r, err := ring.read(cmd.Context())
			if err != nil {
				return err
			}
			in.open(r, time.Now())
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), in)
		} else {
			in.print(cmd.OutOrStdout(), time.Now())
		}
		if err == nil && in.broken {
			return errors.New("the token does not open: " + in.Reason)
		}
		return err
	}
	return cmd
}

// readToken takes the token from the arguments or from standard input, with or
// without the name of a cookie before it.
func readToken(cmd *cobra.Command, args []string) (string, error) {
	var text string
	if len(args) == 1 && args[0] != "-" {
		text = args[0]
	} else {
		in := cmd.InOrStdin()
		if isTerminal(in) {
			fmt.Fprint(cmd.ErrOrStderr(), "Paste the token and press Enter: ")
		}
		line, err := bufio.NewReader(io.LimitReader(in, 4*token.MaxLength)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", err
		}
		text = line
	}
	text = strings.Trim(strings.TrimSpace(text), `"';`)
	if i := strings.LastIndexByte(text, '='); i >= 0 {
		text = text[i+1:]
	}
	if text == "" {
		return "", usagef("no token: give one on standard input")
	}
	return text, nil
}
