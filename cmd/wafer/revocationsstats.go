package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
)

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
		Short: "Show the list as a replica sees it, and the replicas that read it",
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
	if f.admin.url != "" {
		c, err := f.admin.client()
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
	s.Status = adminapi.StatusOf(l.List, l.List.Stats())
	in, _ := l.SignedIn(ctx) // without the store the replicas are not known either
	s.SignedIn = adminapi.SignedInOf(in)
	all, err := l.Replicas(ctx)
	s.Replicas = adminapi.ReplicasOf(all)
	return s, err
}

func printStats(w io.Writer, s statsJSON, now time.Time) {
	fmt.Fprintf(w, "State     %s\nView      %.1f s old\nPosition  %s\nWindow    %s, %s, %s\n",
		safe(s.State), s.Age, safe(s.Position), span(time.Duration(s.Window*float64(time.Second))), counted(s.Entries, "revocation"), counted(s.Bytes, "byte"))
	if s.Outbox > 0 {
		fmt.Fprintf(w, "Outbox    %s that the store has not acknowledged\n", counted(s.Outbox, "revocation"))
	}
	printSignedIn(w, s.SignedIn)
	fmt.Fprintln(w)
	if s.Replicas.Replicas == nil {
		fmt.Fprintln(w, "The store does not answer, so the replicas are not known.")
		return
	}
	printReplicas(w, s.Replicas.Replicas, now)
}

func printReplicas(w io.Writer, all []adminapi.Replica, now time.Time) {
	if len(all) == 0 {
		fmt.Fprintln(w, "No replica reads the list now.")
		return
	}
	rows := [][]cell{{{"REPLICA", dim}, {"HOST", dim}, {"VERSION", dim}, {"STATE", dim}, {"VIEW", dim}, {"POSITION", dim}, {"SEEN", dim}, {"KEYS", dim}}}
	for _, r := range all {
		colour := green
		if r.State != "synced" {
			colour = yellow
		}
		rows = append(rows, []cell{
			{safe(r.ID), ""}, {safe(r.Host), ""}, {safe(r.Version), ""}, {safe(r.State), colour},
			{fmt.Sprintf("%.1f s old", r.Age), ""}, {safe(r.Position), ""}, {distance(r.Seen.Sub(now)), ""}, {safe(kidsOf(r.Keys)), ""},
		})
	}
	table(w, "", rows)
}

func kidsOf(all []adminapi.KeyUse) string {
	ids := make([]string, len(all))
	for i, k := range all {
		ids[i] = k.ID
	}
	return strings.Join(ids, ",")
}
