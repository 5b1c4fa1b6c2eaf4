package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/cmd/wafer/internal/capacity"
)

func capacityCommand() *cobra.Command {
	l := capacity.Load{Replicas: 3, Subject: 36}
	idle := days(2 * time.Hour)
	cmd := &cobra.Command{
		Use:   "capacity --sessions N --revocations RATE",
		Short: "Estimate the memory of replicas and Redis, and the bytes of cookies",
		Long: `Estimates what an application needs: memory for the list in each replica, memory
and processor time of Redis, how often keys seal, and the bytes of the cookies.
It asks nobody. docs/operations.md has the formulas.

A logout is a revocation. Sessions that are only used cost Redis nothing but the
estimate of how many there are, which needs no more than a megabyte.`,
		Example: "  wafer capacity --sessions 1000000 --idle 2h --revocations 50 --replicas 20",
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.IntVar(&l.Sessions, "sessions", 0, "`NUMBER` of sessions that are alive at the same time")
	f.Float64Var(&l.Revocations, "revocations", 0, "`RATE` of revocations in a second, logouts among them")
	f.Float64Var(&l.People, "people", 0, "`RATE` of those that revoke a subject or a group")
	f.Var(&idle, "idle", "longest idle limit of a session")
	f.IntVar(&l.Replicas, "replicas", l.Replicas, "`NUMBER` of processes of the application")
	f.IntVar(&l.Data, "data", 0, "`BYTES` of the application's data in a session, as JSON")
	f.IntVar(&l.Subject, "subject", l.Subject, "`BYTES` of the id of a user")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		l.Idle = time.Duration(idle)
		if err := checkLoad(l); err != nil {
			return err
		}
		e := capacity.Of(l)
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), e)
		}
		printEstimate(cmd.OutOrStdout(), l, e)
		return nil
	}
	return cmd
}

// Nothing that people run comes near these.
const (
	mostSessions = 1_000_000_000
	mostRate     = 1_000_000
	mostReplicas = 100_000
	mostBytes    = 1 << 20
)

func checkLoad(l capacity.Load) error {
	within := func(name string, n, least, most float64) error {
		if n >= least && n <= most { // NaN is not
			return nil
		}
		return usagef("--%s must be %.0f to %.0f", name, least, most)
	}
	for _, err := range []error{
		within("sessions", float64(l.Sessions), 0, mostSessions),
		within("revocations", l.Revocations, 0, mostRate),
		within("replicas", float64(l.Replicas), 1, mostReplicas),
		within("data", float64(l.Data), 0, mostBytes),
		within("subject", float64(l.Subject), 1, mostBytes),
	} {
		if err != nil {
			return err
		}
	}
	if !(l.People >= 0 && l.People <= l.Revocations) {
		return usagef("--people must be 0 to --revocations, of which it is a part")
	}
	return nil
}

func printEstimate(w io.Writer, l capacity.Load, e capacity.Estimate) {
	r, s, k, c := e.Replica, e.Redis, e.Keys, e.Cookies
	window := days(l.Retention())
	section := func(title string, rows ...[2]string) {
		fmt.Fprintln(w, title)
		var cells [][]cell
		for _, row := range rows {
			cells = append(cells, []cell{{row[0], ""}, {row[1], ""}})
		}
		table(w, "  ", cells)
	}
	section("Each replica, for the list",
		[2]string{"window", window.String() + ", " + counted(r.Entries, "revocation")},
		[2]string{"filters", megabytes(r.Filters)},
		[2]string{"last ten minutes", megabytes(r.Recent)},
		[2]string{"subjects and groups", megabytes(r.People)},
		[2]string{"who is signed in", megabytes(r.SignedIn)},
		[2]string{"answers of Redis", "up to " + megabytes(r.Answers)},
		[2]string{"together", "up to " + megabytes(r.Most)})
	section("Redis",
		[2]string{"log", megabytes(s.Log)},
		[2]string{"exact set", megabytes(s.Exact)},
		[2]string{"replies", megabytes(s.Replies)},
		[2]string{"who is signed in", megabytes(s.SignedIn)},
		[2]string{"together", megabytes(s.Memory) + ", set maxmemory to " + megabytes(s.MaxMemory)},
		[2]string{"reads", fmt.Sprintf("%.0f/s, %.0f commands/s", s.Reads, s.Commands)},
		[2]string{"processor", fmt.Sprintf("%.1f %% of a core", 100*s.Core)})
	section("Keys", [2]string{"seals", fmt.Sprintf("up to %.0f/s", k.SealsPerSecond)}, [2]string{"half spent", halfSpent(k)})
	section("Cookies",
		[2]string{"session", counted(c.Session, "byte")},
		[2]string{"renewal", counted(c.Renewal, "byte")},
		[2]string{"line in the request", counted(c.Line, "byte")})
	for _, warning := range capacity.Warnings(e) {
		fmt.Fprintf(w, "\n%s\n", warning)
	}
}

func halfSpent(k capacity.Keys) string {
	if k.SealsPerSecond == 0 {
		return "never"
	}
	return fmt.Sprintf("after %.1f days", k.HalfSpent)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
