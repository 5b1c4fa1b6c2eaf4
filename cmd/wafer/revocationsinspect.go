package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// inspectJSON is a list as --json prints it.
type inspectJSON struct {
	List         string     `json:"list"`
	Ring         string     `json:"ring"` // "ours", "another", "unknown"
	Position     string     `json:"position"`
	CompleteFrom time.Time  `json:"complete_from"`
	Retention    float64    `json:"retention"` // s
	Terms        int        `json:"terms"`
	Term         *time.Time `json:"term,omitempty"` // when the present one began
	Entries      int        `json:"entries"`        // of the log
	Oldest       string     `json:"oldest,omitempty"`
	Globals      int        `json:"globals"`
	Problems     []string   `json:"problems"`
	adminapi.Replicas
}

func revocationsInspect() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "inspect",
		Short: "Read a list without joining it, and show whether replicas can follow it",
		Long: `Reads the whole list without joining it. It shows which list it is, what it
holds, whether replicas can follow it and why not, whether it belongs to the
given ring, and which replicas read it. The ring is optional here.

The exit status is 1 if replicas cannot follow the list, or if it belongs to
another ring. Then 'wafer revocations reset' deletes it.`,
		Args: cobra.NoArgs,
	}
	f.addStores(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.admin.url != "" {
			return usagef("which list? Give --redis URL or --bolt FILE; an application shows its own with 'wafer revocations stats'")
		}
		if err := f.one(); err != nil {
			return err
		}
		out, err := f.inspect(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), out)
		} else {
			printInspection(cmd.OutOrStdout(), out, time.Now())
		}
		switch {
		case err != nil:
			return err
		case len(out.Problems) > 0:
			return errors.New("replicas cannot follow this list; 'wafer revocations reset' deletes it, and applications begin a new one")
		case out.Ring == "another":
			return errors.New("the list belongs to another ring, so applications with this ring cannot join it; 'wafer revocations reset' deletes it")
		}
		return nil
	}
	return cmd
}

func (f *listFlags) inspect(ctx context.Context) (inspectJSON, error) {
	ring, err := f.ringIfGiven(ctx)
	if err != nil {
		return inspectJSON{}, err
	}
	s, closeStore, err := f.store(ctx)
	if err != nil {
		return inspectJSON{}, err
	}
	defer closeStore()
	i, err := inspect(ctx, s, ring, func(revlog.Head) int64 { return 0 })
	if err != nil {
		return inspectJSON{}, err
	}
	out := summary(i, ring != nil)
	if r, ok := s.(revlog.Registrar); ok {
		all, err := r.Replicas(ctx)
		if err != nil {
			return out, err
		}
		out.Replicas = adminapi.ReplicasOf(all)
	}
	return out, nil
}

// inspect reads the list in s from a log time on. ring may be nil.
func inspect(ctx context.Context, s revlog.Store, ring *keys.Ring, from func(revlog.Head) int64) (replica.Inspection, error) {
	var k replica.Secrets
	if ring != nil {
		k = ring
	}
	i, err := replica.Inspect(ctx, s, k, from)
	if err != nil {
		return i, noList(err)
	}
	return i, nil
}

func summary(i replica.Inspection, ringGiven bool) inspectJSON {
	h := i.Head
	out := inspectJSON{
		List: hex.EncodeToString(h.ID[:]), Ring: "unknown", Position: h.Position().String(), CompleteFrom: time.UnixMilli(h.Born).UTC(),
		Retention: h.Retain().Seconds(), Terms: len(h.Terms), Entries: i.Entries, Globals: i.Globals, Problems: i.Problems,
		Replicas: adminapi.ReplicasOf(nil),
	}
	if n := len(h.Terms); n > 0 {
		at := time.UnixMilli(h.Terms[n-1].Opened).UTC()
		out.Term = &at
	}
	if out.Problems == nil {
		out.Problems = []string{}
	}
	if i.Entries > 0 {
		out.Oldest = i.Oldest.String()
	}
	switch {
	case i.OtherRing:
		out.Ring = "another"
	case ringGiven:
		out.Ring = "ours"
	}
	return out
}

func printInspection(w io.Writer, x inspectJSON, now time.Time) {
	ring := map[string]string{"ours": "the list belongs to it", "another": "THE LIST BELONGS TO ANOTHER ONE", "unknown": "not given"}[x.Ring]
	sound := "replicas can follow it"
	if len(x.Problems) > 0 {
		sound = "REPLICAS CANNOT FOLLOW IT"
	}
	fmt.Fprintf(w, "List       %s\nRing       %s\nPosition   %s\nComplete   from %s\n", x.List, ring, x.Position, from(x.CompleteFrom, now))
	fmt.Fprintf(w, "Retention  %s\nLog        %s, %d more of keys and of everyone\n", span(time.Duration(x.Retention*float64(time.Second))), counted(x.Entries, "revocation"), x.Globals)
	if x.Term != nil {
		fmt.Fprintf(w, "Primary    since %s\n", from(*x.Term, now))
	}
	fmt.Fprintf(w, "State      %s\n", sound)
	for _, p := range x.Problems {
		fmt.Fprintf(w, "           %s\n", safe(p))
	}
	fmt.Fprintln(w)
	printReplicas(w, x.Replicas.Replicas, now)
}
