package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func revocationsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revocations",
		Short: "Look at the list of revocations, follow it, or begin it, also anew",
	}
	cmd.AddCommand(revocationsStats(), revocationsWatch(), revocationsInit(), revocationsInspect(), revocationsReset())
	return cmd
}

// statsJSON is what --json says of a list. Replicas is null if they are not known, because the store
// does not answer.
type statsJSON struct {
	adminapi.Status
	adminapi.Replicas
}

func revocationsStats() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show the list as a replica sees it, and who reads it",
		Args:  cobra.NoArgs,
	}
	f.add(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.one(); err != nil {
			return err
		}
		s, err := f.stats(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), s)
		}
		printStats(cmd.OutOrStdout(), s, time.Now())
		return nil
	}
	return cmd
}

func (f *listFlags) stats(ctx context.Context) (s statsJSON, err error) {
	if f.admin != "" {
		c, err := f.adminClient()
		if err != nil {
			return s, err
		}
		if err := c.call(ctx, "/status", nil, &s.Status); err != nil {
			return s, err
		}
		err = c.call(ctx, "/replicas", nil, &s.Replicas)
		if problem, ok := errors.AsType[apiError](err); ok && problem.Code == "unavailable" {
			err = nil
		}
		return s, err
	}
	l, err := f.open(ctx, time.Second, false)
	if err != nil {
		return s, err
	}
	defer l.Close()
	s.Status = adminapi.StatusOf(l.List)
	all, err := l.Replicas(ctx)
	s.Replicas = adminapi.ReplicasOf(all)
	return s, err
}

func printStats(w io.Writer, s statsJSON, now time.Time) {
	fmt.Fprintf(w, "State     %s\nView      %.1f s old\nPosition  %s\nWindow    %s, %d revocations, %d bytes\n",
		safe(s.State), s.Age, safe(s.Position), span(time.Duration(s.Window*float64(time.Second))), s.Entries, s.Bytes)
	if s.Outbox > 0 {
		fmt.Fprintf(w, "Outbox    %d revocations, which the store has not acknowledged\n", s.Outbox)
	}
	fmt.Fprintln(w)
	if s.Replicas.Replicas == nil {
		fmt.Fprintln(w, "The store does not answer, so the replicas are not known.")
		return
	}
	printReplicas(w, s.Replicas.Replicas, now)
}

func printReplicas(w io.Writer, all []adminapi.Replica, now time.Time) {
	rows := [][]cell{{{"REPLICA", dim}, {"HOST", dim}, {"VERSION", dim}, {"STATE", dim}, {"VIEW", dim}, {"POSITION", dim}, {"SEEN", dim}, {"KEYS", dim}}}
	for _, r := range all {
		colour := green
		if r.State != "synced" {
			colour = yellow
		}
		rows = append(rows, []cell{
			{safe(r.ID), ""}, {safe(r.Host), ""}, {safe(r.Version), ""}, {safe(r.State), colour},
			{fmt.Sprintf("%.1f s old", r.Age), ""}, {safe(r.Position), ""}, {distance(r.Seen.Sub(now)), ""}, {safe(r.Report["keys"]), ""},
		})
	}
	table(w, "", rows)
}

func revocationsInit() *cobra.Command {
	var (
		f       listFlags
		maxIdle string
	)
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Begin a list where there is none",
		Long: `Begins a list where there is none. Applications do so by themselves; beginning it
first lets one revoke before any application runs. A list that is there stays.`,
		Args: cobra.NoArgs,
	}
	f.addFollowed(cmd)
	cmd.Flags().StringVar(&maxIdle, "max-idle", "2h", "longest idle limit of any session; the list remembers at least\nso `LONG`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.redis == "" || f.bolt != "" || f.admin != "" {
			return usagef("where? Give --redis URL; a list in a file is begun by the application")
		}
		idle, err := time.ParseDuration(maxIdle)
		if err != nil || idle <= 0 {
			return usagef("--max-idle is not a duration such as 30m or 2h")
		}
		s, closeStore, err := f.store(cmd.Context())
		if err != nil {
			return err
		}
		missing := exists(cmd.Context(), s)
		closeStore()
		if missing != nil && !errors.Is(missing, errNoList) && !errors.Is(missing, errDamaged) {
			return missing
		}
		l, err := f.open(cmd.Context(), idle, true)
		if err != nil {
			return err
		}
		defer l.Close()
		what := "The list is begun"
		if missing == nil {
			what = "There is a list already"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: position %s\n", what, l.Stats().Position)
		return nil
	}
	return cmd
}

func revocationsWatch() *cobra.Command {
	var (
		f     listFlags
		count int
		all   bool
	)
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print revocations as they come",
		Long: `Prints revocations as they come, until interrupted: when, what kind, and the first
half of the pseudonym that stands for the id. The list holds no ids.`,
		Args: cobra.NoArgs,
	}
	f.addFollowed(cmd)
	cmd.Flags().IntVar(&count, "count", 0, "end after so many (`N`); 0: never")
	cmd.Flags().BoolVar(&all, "all", false, "begin with what the log holds already")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.redis == "" || f.bolt != "" || f.admin != "" {
			return usagef("which list? Give --redis URL; one in a file is held by its application")
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		l, err := f.open(ctx, time.Second, false)
		if err != nil {
			return err
		}
		defer l.Close()
		err = watch(ctx, l, all, count, func(e revlog.Entry) error {
			at := time.UnixMilli(e.Position.MS).UTC()
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]string{
					"position": e.Position.String(), "at": at.Format(time.RFC3339Nano), "scope": e.Scope.String(), "tag": hex.EncodeToString(e.Tag[:]),
				})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %-8s  %s\n", at.Format("2006-01-02 15:04:05.000Z"), e.Scope, hex.EncodeToString(e.Tag[:8]))
			return err
		})
		if ctx.Err() != nil && cmd.Context().Err() == nil {
			return nil // interrupted
		}
		return err
	}
	return cmd
}

// watch follows the log, from its end or from where it begins.
func watch(ctx context.Context, l *openedList, all bool, count int, each func(revlog.Entry) error) error {
	list, from := l.Replica().Genesis(), revlog.Position{}
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
			if err := each(e); err != nil {
				return err
			}
			from = revlog.Position{MS: e.Position.MS, N: e.Position.N + 1}
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
