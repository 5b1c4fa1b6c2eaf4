package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

func keysList() *cobra.Command {
	var f placeFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the keys, the state of each, and which replicas have and use it",
		Long: `Shows the keys, newest first, without their secrets. A key is pending until its
time to seal comes, sealing until a newer key takes over, opening while sessions
that it sealed can be valid, and then expired; or it is revoked.

The running replicas report through the list of revocations which keys they have,
how often they sealed with each, and when they last sealed and opened with it. A
replica reports every 5 seconds. Times are relative; --json has them exactly, and
names the replicas that lack a key.`,
		Example: `  wafer keys list --file ring.jwe --kek-file kek
  wafer keys list --redis redis://localhost:6379
  wafer keys list --admin https://shop.internal:8443/admin
  wafer keys list --file ring.jwe --kek-file kek --json | jq -r '.keys[] | select(.state == "sealing").kid'`,
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		p, err := f.place(cmd)
		if err != nil {
			return err
		}
		defer p.Close()
		v, err := p.ring(cmd.Context())
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if *asJSON {
			return printJSON(out, v.Ring)
		}
		printRing(out, v.Ring, time.Now())
		printUse(out, v)
		return nil
	}
	return cmd
}

var stateColour = map[string]string{
	keys.Pending.String(): yellow, keys.Sealing.String(): green, keys.Expired.String(): dim, keys.Revoked.String(): red,
}

// printRing prints the ring for people. The columns about the use of the keys are left out if nothing
// is known of that.
func printRing(w io.Writer, d adminapi.Ring, now time.Time) {
	fmt.Fprintf(w, "Ring %s: %s, sessions of at most %s\n\n", safe(d.ID), counted(len(d.Keys), "key"), span(longest(d)))
	used := slices.ContainsFunc(d.Keys, func(k adminapi.Key) bool { return k.Use != nil || k.Replicas != nil })
	head := []cell{{"KID", dim}, {"STATE", dim}, {"CREATED", dim}, {"SEALS FROM", dim}, {"OPENS UNTIL", dim}}
	if used {
		head = append(head, cell{"SEALS", dim}, cell{"LAST SEALED", dim}, cell{"LAST OPENED", dim}, cell{"REPLICAS", dim})
	}
	rows := [][]cell{head}
	for _, k := range d.Keys {
		seals, until := ago(&k.NotBefore, now), "a newer key takes over"
		switch {
		case k.Revoked != nil:
			if k.Revoked.Before(k.NotBefore) {
				seals = "never"
			}
			until = "revoked " + ago(k.Revoked, now)
		case k.Expires != nil:
			until = ago(k.Expires, now)
		}
		row := []cell{{safe(k.ID), ""}, {safe(k.State), stateColour[k.State]}, {ago(&k.IssuedAt, now), ""}, {seals, ""}, {until, ""}}
		if used {
			row = append(row, useCells(k, now)...)
		}
		rows = append(rows, row)
	}
	table(w, "", rows)
}

func longest(d adminapi.Ring) time.Duration { return time.Duration(d.MaxSession) * time.Second }

// ago prints how far a time is from now, and "-" for none.
func ago(t *time.Time, now time.Time) string {
	if t == nil {
		return "-"
	}
	return distance(t.Sub(now.Truncate(time.Second)))
}

func useCells(k adminapi.Key, now time.Time) []cell {
	seals, sealed, opened, replicas := "-", "-", "-", cell{"-", ""}
	if k.Use != nil {
		seals, sealed, opened = fmt.Sprint(k.Use.Seals), ago(k.Use.Sealed, now), ago(k.Use.Opened, now)
	}
	if h := k.Replicas; h != nil {
		replicas.text = fmt.Sprintf("%d/%d", h.Have, h.Of)
		if h.Have < h.Of {
			replicas.colour = yellow
		}
	}
	return []cell{{seals, ""}, {sealed, ""}, {opened, ""}, replicas}
}

// printUse explains the columns about the use of the keys.
func printUse(w io.Writer, v ringView) {
	fmt.Fprintln(w)
	if v.unknown != nil {
		fmt.Fprintf(w, "It is not known which replicas have the keys: %s.\n", withoutPackages(v.unknown))
		return
	}
	behind := false
	for _, k := range v.Keys {
		if h := k.Replicas; h != nil && h.Have < h.Of {
			behind = true
			fmt.Fprintf(w, "Key %s %s on %s.\n", safe(k.ID), lacking(k), holders(h.Missing))
		}
	}
	if behind {
		fmt.Fprintln(w, "Replicas report every 5 s.")
	}
	if !slices.ContainsFunc(v.Keys, func(k adminapi.Key) bool { return k.Replicas != nil && k.Replicas.Of > 0 }) {
		fmt.Fprintln(w, "No running replica reports keys now.")
	}
	i := slices.IndexFunc(v.Keys, func(k adminapi.Key) bool { return k.Use != nil })
	switch {
	case i < 0:
	case v.Keys[i].Use.Counted == adminapi.CountedFleet:
		fmt.Fprintln(w, "SEALS counts all replicas since the key was made, and what they have reserved.")
	default:
		fmt.Fprintln(w, "SEALS counts the running replicas, since each of them started.")
	}
}

// lacking says what a replica does not have of a key.
func lacking(k adminapi.Key) string {
	if k.Revoked != nil {
		return "is not revoked yet"
	}
	return "is missing"
}

// holders names replicas, but not hundreds of them.
func holders(all []adminapi.Holder) string {
	const most = 10
	var names []string
	for _, h := range all[:min(len(all), most)] {
		names = append(names, safe(h.Host)+" ("+safe(h.ID)+")")
	}
	if more := len(all) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
