package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func lookupCommand() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "lookup session|subject|group|key|everyone [ID]",
		Short: "Show whether something is revoked, since when and until when",
		Long: `Shows whether a session, a subject, a group, a key or everyone is revoked: which
sessions that ends, when it was revoked if that was in the last day, and how
long the list remembers it. It also prints the tag, with which audit records tell
who revoked it and why.

With --admin the application answers. With --redis and --bolt this command reads
the list itself; the log in it tells when something was revoked.

The exit status is 0 whether it is revoked or not.`,
		Example: `  wafer lookup subject ada --admin https://shop.internal:8443/admin
  wafer lookup session AAECAwQFBgcICQoLDA0ODw --redis redis://localhost:6379 --file ring.jwe --kek-file kek`,
		Args: cobra.ArbitraryArgs,
	}
	f.add(cmd)
	completeScopes(cmd, "session", "subject", "group", "key", "everyone")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("look up what? Give session, subject, group or key, and an id, or everyone")
		}
		target, err := parseTarget(args)
		if err != nil {
			return err
		}
		if err := f.one(); err != nil {
			return err
		}
		found, err := f.lookUp(cmd.Context(), target, args)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), found)
		}
		printFound(cmd.OutOrStdout(), target.Scope(), found, time.Now())
		return nil
	}
	return cmd
}

// foundJSON is what --json says of a revocation.
type foundJSON struct {
	adminapi.Finding
	At *time.Time `json:"at,omitempty"` // when the list took it; absent: not known
}

func (f *listFlags) lookUp(ctx context.Context, t revocation.Target, args []string) (found foundJSON, err error) {
	if f.admin.url != "" {
		c, err := f.admin.client()
		if err != nil {
			return found, err
		}
		asked := adminapi.Question{Scope: args[0]}
		if len(args) == 2 {
			asked.ID = args[1]
		}
		return found, c.call(ctx, "/revocations/lookup", asked, &found.Finding)
	}
	l, err := f.open(ctx, time.Second, false)
	if err != nil {
		return found, err
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(ctx, leakTime)
	defer cancel()
	if found.Finding, err = adminapi.FindingOf(ctx, l.List, t); err != nil {
		return found, err
	}
	if found.Revoked && !found.Partial {
		err = found.readLog(ctx, l, revlog.Key{Scope: t.Scope(), Tag: l.Tag(t)})
	}
	return found, err
}

// readLog adds what the log says of k: when it was revoked, and until when the list remembers it.
func (found *foundJSON) readLog(ctx context.Context, l *openedList, k revlog.Key) error {
	c := revlog.Cursor{List: l.Replica().ListID(), Limit: 4096, Globals: true}
	for {
		p, err := l.store.Read(ctx, c)
		if err != nil {
			return err
		}
		for _, e := range append(p.Globals, p.Entries...) {
			if e.Key() != k {
				continue
			}
			if until := instant(e.Until).UTC(); found.Until == nil || until.After(*found.Until) {
				found.Until = &until
			}
			if e.Position.N > 0 { // a global entry has no position
				at := instant(e.Position.MS).UTC()
				found.At = &at
			}
		}
		if !p.More || len(p.Entries) == 0 {
			return nil
		}
		last := p.Entries[len(p.Entries)-1].Position
		c.From, c.Globals = revlog.Position{MS: last.MS, N: last.N + 1}, false
	}
}

func printFound(w io.Writer, scope revlog.Scope, found foundJSON, now time.Time) {
	if !found.Revoked {
		fmt.Fprintln(w, "Not revoked.")
		if scope == revlog.ScopeSession {
			fmt.Fprintln(w, "Its subject, its groups, its key or everyone may be: look those up too.")
		}
		printEffects(w, found.Effects, now)
		fmt.Fprintf(w, "\nTag       %s\n", safe(found.Tag))
		return
	}
	fmt.Fprintln(w, "Revoked.")
	if found.Partial {
		fmt.Fprintln(w, "The store does not answer. The application knows of the revocation, but perhaps of an older one only.")
	}
	printEffects(w, found.Effects, now)
	ends := "all sessions"
	switch {
	case found.Since != nil:
		ends = "sessions that began at or before " + from(*found.Since, now)
	case scope == revlog.ScopeSession:
		ends = "the session, whenever it began"
	case scope == revlog.ScopeKey:
		ends = "all sessions that it sealed"
	}
	at, until := "not known; see the audit records with this tag", "not known"
	if found.At != nil {
		at = from(*found.At, now)
	}
	if found.Until != nil {
		until = "until " + from(*found.Until, now) + " at least"
	}
	fmt.Fprintf(w, "\nEnds      %s\nRevoked   %s\nKept      %s\nTag       %s\n", ends, at, until, safe(found.Tag))
}

// printEffects says what the list does to sessions besides ending them at once.
func printEffects(w io.Writer, all []adminapi.Effect, now time.Time) {
	for _, e := range all {
		since := ""
		if e.Since != nil {
			since = from(*e.Since, now)
		}
		switch {
		case e.Effect == revlog.RequireLogin.String():
			fmt.Fprintf(w, "A login is required: sessions that began at or before %s are locked until then.\n", since)
		case e.Effect == revlog.Reload.String():
			fmt.Fprintf(w, "Data is loaded again: that of sessions which loaded it at or before %s.\n", since)
		case e.EndedBy != nil:
			fmt.Fprintf(w, "Sessions that began at or before %s end one after another, the last by %s.\n", since, from(*e.EndedBy, now))
		default:
			fmt.Fprintf(w, "Something else is done to sessions, which this version does not know: %s.\n", safe(e.Effect))
		}
	}
}
