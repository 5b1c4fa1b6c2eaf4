package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func revocationsWatch() *cobra.Command {
	var (
		f     listFlags
		count int
		all   bool
	)
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print revocations as they come",
		Long: `Prints revocations as they come, until interrupted: when, which scope, and the tag
that stands for the id. The list holds no ids; 'wafer tag' computes the tag of
one. With --json each revocation is one object in one line.`,
		Args: cobra.NoArgs,
	}
	f.addFollowed(cmd)
	cmd.Flags().IntVar(&count, "count", 0, "stop after `N` revocations; 0: never")
	cmd.Flags().BoolVar(&all, "all", false, "begin with the revocations that are in the log already")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.redis == "" || f.bolt != "" || f.admin.url != "" {
			return usagef("which list? Give --redis URL; only its application can follow a list in a file")
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		l, err := f.open(ctx, time.Second, false)
		if err != nil {
			return err
		}
		defer l.Close()
		err = watch(ctx, l, all, count, func(e revlog.Entry) error { return printEntry(cmd.OutOrStdout(), e, *asJSON) })
		if ctx.Err() != nil && cmd.Context().Err() == nil {
			return nil // interrupted
		}
		return err
	}
	return cmd
}

// entryJSON is what --json says of a revocation, in one line.
type entryJSON struct {
	Position string    `json:"position"`
	At       time.Time `json:"at"`
	Scope    string    `json:"scope"`
	Tag      string    `json:"tag"`
	Effect   string    `json:"effect"`         // end, require_login or reload
	Over     string    `json:"over,omitempty"` // a duration, if it ends sessions one after another
}

func printEntry(w io.Writer, e revlog.Entry, asJSON bool) error {
	line := entryJSON{
		Position: e.Position.String(), At: instant(e.Position.MS).UTC(), Scope: e.Scope.String(), Tag: e.Tag.String(), Effect: e.Does().String(),
	}
	if e.Does() == revlog.EndSlowly {
		line.Effect, line.Over = revlog.End.String(), e.Over().String()
	}
	if asJSON {
		return json.NewEncoder(w).Encode(line)
	}
	effect := "  " + line.Effect
	if line.Over != "" {
		effect += " over " + line.Over
	}
	_, err := fmt.Fprintf(w, "%s  %-8s  %s%s\n", line.At.Format("2006-01-02 15:04:05.000Z"), line.Scope, line.Tag, effect)
	return err
}

// watch follows the log from its end, or with all from its beginning.
func watch(ctx context.Context, l *openedList, all bool, count int, each func(revlog.Entry) error) error {
	list, from := l.Replica().ListID(), revlog.Position{}
	if !all {
		p, err := l.store.Read(ctx, revlog.Cursor{List: list, Limit: 1})
		if err != nil {
			return err
		}
		from = revlog.Position{MS: p.Head.MS, N: p.Head.N + 1}
	}
	for {
		p, err := l.store.Read(ctx, revlog.Cursor{List: list, From: from, Limit: 1000})
		if err != nil {
			return err
		}
		for _, e := range p.Entries {
			from = revlog.Position{MS: e.Position.MS, N: e.Position.N + 1}
			if e.Canary() {
				continue // it revokes nobody
			}
			if err := each(e); err != nil {
				return err
			}
			if count--; count == 0 {
				return nil
			}
		}
		if p.More {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
