package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

func doctorCommand() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "doctor --redis URL",
		Short: "Say whether a Redis is fit to hold a list of revocations, and what to set",
		Long: `Looks at a Redis as an application does when it opens its list, and says what is
good, what will not always work, what keeps the application from starting, and
what to do about it. The exit code is 1 if something is refused.`,
		Args: cobra.NoArgs,
	}
	f.addRedis(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.redis == "" {
			return usagef("which Redis? Give --redis URL")
		}
		o, err := redisstore.ParseURL(f.redis)
		if err != nil {
			return usageError{err}
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), openTime)
		defer cancel()
		findings, err := redisstore.Examine(ctx, o, f.config())
		if err != nil {
			return withoutTLS(o.TLSConfig, o.Addrs, err)
		}
		bad := 0
		rows := [][]cell{}
		type finding struct {
			Level   string `json:"level"`
			Check   string `json:"check"`
			Message string `json:"message"`
			Fix     string `json:"fix,omitempty"`
		}
		all := []finding{}
		for _, x := range findings {
			colour := green
			switch x.Level {
			case redisstore.Refused:
				colour = red
				bad++
			case redisstore.Warning:
				colour = yellow
			}
			rows = append(rows, []cell{{x.Level.String(), colour}, {x.Check, ""}, {safe(x.Message), ""}})
			if x.Fix != "" {
				rows = append(rows, []cell{{"", ""}, {"", ""}, {"→ " + safe(x.Fix), bold}})
			}
			all = append(all, finding{x.Level.String(), x.Check, x.Message, x.Fix})
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), map[string]any{"findings": all})
		} else {
			table(cmd.OutOrStdout(), "", rows)
		}
		switch {
		case err != nil:
			return err
		case bad == 1:
			return errors.New("one finding keeps applications from starting")
		case bad > 1:
			return fmt.Errorf("%d findings keep applications from starting", bad)
		}
		return nil
	}
	return cmd
}
