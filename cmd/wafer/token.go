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
		Short: "Show what is in a token",
	}
	cmd.AddCommand(tokenInspect())
	return cmd
}

func tokenInspect() *cobra.Command {
	var ring ringFlags
	cmd := &cobra.Command{
		Use:   "inspect [--file FILE] [TOKEN | -]",
		Short: "Show what is in a token, and whether the token is valid",
		Long: `Shows the header of a token. With the ring it also shows what is sealed in the
token, and whether the token is valid. The value of a cookie is a token.

A token is as good as a password until its session ends. Give it on standard
input, so that it stays out of the history of the shell: without TOKEN, or
with -, it is read from there.

A token does not say whether its session is revoked: see 'wafer lookup'. The exit
status is 1 if the input is not a token or, with the ring, if the token does not
open.`,
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
			r, err := (&listFlags{ring: ring}).readRing(cmd.Context())
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

// readToken reads the token from the arguments or from standard input. The name of its cookie may stand
// before it.
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
