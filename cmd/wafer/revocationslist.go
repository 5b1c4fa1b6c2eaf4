package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// listing says which part of the log is listed.
type listing struct {
	listFlags
	limit         int
	before, scope string
}

func revocationsList() *cobra.Command {
	f := &listing{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the revocations in the log, newest first",
		Long: `Lists the revocations in the log, newest first: when, which scope, and the tag
that stands for the id ('wafer tag' computes it).

The log goes back as far as the list remembers, but at most 24 h. Older
revocations, and those made in bulk, stay in force without being listed; 'wafer
lookup' finds them. With --admin the application also tells who made those that
it made itself lately, and why. The audit records tell it of all.`,
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.IntVar(&f.limit, "limit", 100, fmt.Sprintf("at most `N` revocations, up to %d", adminapi.MaxPage))
	flags.StringVar(&f.before, "before", "", "go on before this `POSITION`, which the page before names")
	flags.StringVar(&f.scope, "scope", "", "only revocations of this `SCOPE`: session, subject, group, key,\neveryone")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.one(); err != nil {
			return err
		}
		page, err := f.page(cmd.Context())
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), page)
		}
		printRevocations(cmd.OutOrStdout(), page)
		return nil
	}
	return cmd
}

func (f *listing) page(ctx context.Context) (page adminapi.Revocations, err error) {
	if f.limit < 1 || f.limit > adminapi.MaxPage {
		return page, usagef("--limit must be 1 to %d", adminapi.MaxPage)
	}
	var before revlog.Position
	if f.before != "" {
		var ok bool
		if before.MS, before.N, ok = audit.Place(f.before); !ok || before.N == 0 {
			return page, usagef("--before is not a position such as 1795891638970-1207")
		}
	}
	scope, ok := revlog.ParseScope(f.scope)
	if f.scope != "" && !ok {
		return page, usagef("--scope %s is none of session, subject, group, key and everyone", safe(f.scope))
	}
	if f.admin.url != "" {
		c, err := f.admin.client()
		if err != nil {
			return page, err
		}
		query := url.Values{"limit": {strconv.Itoa(f.limit)}}
		for name, value := range map[string]string{"before": f.before, "scope": f.scope} {
			if value != "" {
				query.Set(name, value)
			}
		}
		return page, c.call(ctx, "/revocations?"+query.Encode(), nil, &page)
	}
	l, err := f.open(ctx, time.Second, false)
	if err != nil {
		return page, err
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	return adminapi.RevocationsOf(ctx, l.List, before, f.limit, scope)
}

func printRevocations(w io.Writer, page adminapi.Revocations) {
	if len(page.Revocations) == 0 && page.Next == "" {
		fmt.Fprintln(w, "The log holds no such revocation.")
		return
	}
	rows := [][]cell{{{"AT", dim}, {"SCOPE", dim}, {"TAG", dim}, {"EFFECT", dim}, {"ACTOR", dim}, {"REASON", dim}}}
	for _, r := range page.Revocations {
		actor := r.Actor
		if r.ClaimedActor != "" {
			actor += " for " + r.ClaimedActor
		}
		rows = append(rows, []cell{
			{r.At.UTC().Format("2006-01-02 15:04:05.000Z"), ""}, {safe(r.Scope), ""}, {safe(r.Tag), ""}, {safe(effectCell(r)), ""}, {safe(actor), ""}, {safe(r.Reason), ""},
		})
	}
	table(w, "", rows)
	if page.Next != "" {
		fmt.Fprintf(w, "\nThere are older ones: --before %s\n", safe(page.Next))
	}
}

// effectCell says what a revocation does: "end over 1h until 16:04:05".
func effectCell(e adminapi.Listed) string {
	if e.Over == "" || e.EndedBy == nil {
		return e.Effect
	}
	over, _ := time.ParseDuration(e.Over)
	return e.Effect + " over " + span(over) + ", until " + utc(*e.EndedBy)
}
