package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func revokeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke",
		Short: "End sessions: one, a person's, a group's, everybody's, or a file full",
		Long: `Ends sessions. Every replica that reaches the store refuses them two seconds
after this command returns. It cannot be undone; whoever is logged out may log
in again.

The list is named by --redis or --bolt together with the ring of the application
(--file; with --redis also the ring kept there), or by --admin.`,
	}
	cmd.AddCommand(
		revokeScope(revlog.ScopeSession, "session [ID]", "End one session, or those in a file",
			"The id of a session is the 22 characters of Session.ID; 'wafer token inspect' shows it."),
		revokeScope(revlog.ScopeSubject, "subject [ID]", "End all sessions of a person, or of those in a file",
			"The id is what the application logs people in with. After theft revoke the\nsubject: whoever stole one session may have more."),
		revokeScope(revlog.ScopeGroup, "group [NAME]", "End all sessions attached to a group at login, or to those in a file",
			"A group is what the application attached to sessions at login, such as tenant:7."),
		revokeScope(revlog.ScopeEveryone, "everyone", "End all sessions there are",
			"Everybody has to log in again."),
	)
	return cmd
}

type revokeFlags struct {
	listFlags
	scope          revlog.Scope
	before, reason string
	from           string
	json           *bool
}

func revokeScope(scope revlog.Scope, use, short, long string) *cobra.Command {
	f := &revokeFlags{scope: scope}
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.MaximumNArgs(1)}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.reason, "reason", "", "`TEXT` for the audit log of the admin API")
	if scope != revlog.ScopeSession {
		flags.StringVar(&f.before, "before", "", "only sessions that began at or before `TIME`, such as\n2026-03-01T12:00:00Z; without it, all that began until now")
	}
	if scope == revlog.ScopeEveryone {
		cmd.Args = cobra.NoArgs
	} else {
		flags.StringVar(&f.from, "from", "", "`FILE` with one id in a line, - for standard input: all of them are\nwritten, then every session is asked about once")
		cmd.MarkFlagFilename("from")
	}
	f.json = jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) }
	return cmd
}

func (f *revokeFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.one(); err != nil {
		return err
	}
	var options revocation.Options
	if cmd.Flags().Changed("before") { // also to nothing, which must not mean all that began until now
		at, err := time.Parse(time.RFC3339, f.before)
		if err != nil {
			return usagef("--before is not a time such as 2026-03-01T12:00:00Z")
		}
		if at.Unix() < 0 {
			return usagef("--before lies before 1970; without it, all that began until now is revoked")
		}
		options.Before = at
	}
	if !utf8.ValidString(f.reason) {
		return usagef("--reason is not UTF-8")
	}
	options.Reason = f.reason
	if u, err := user.Current(); err == nil {
		options.Actor = u.Username
	}
	id := ""
	switch {
	case f.scope == revlog.ScopeEveryone:
		if err := confirm(cmd, "Everybody is logged out, and it cannot be undone.", "Revoke everyone?"); err != nil {
			return err
		}
	case f.from != "" && len(args) == 1, f.from == "" && len(args) == 0:
		return usagef("which %v? Give one id, or a file of ids with --from FILE", f.scope)
	case f.from != "":
		return f.many(cmd)
	case !utf8.ValidString(args[0]):
		return usagef("the id of the %v is not UTF-8", f.scope)
	default:
		id = args[0]
	}
	var receipt adminapi.Receipt
	var err error
	if f.admin != "" {
		var c *adminClient
		if c, err = f.adminClient(); err != nil {
			return err
		}
		receipt, err = c.revoke(cmd.Context(), f.asked(id))
	} else {
		receipt, err = f.direct(cmd.Context(), id, options)
	}
	if err != nil {
		return err
	}
	return f.print(cmd.OutOrStdout(), receipt, "Revoked")
}

// asked is what the admin API is asked for.
func (f *revokeFlags) asked(id string) adminapi.Revocation {
	r := adminapi.Revocation{Scope: f.scope.String(), ID: id, Reason: f.reason}
	if f.before != "" {
		r.Before = &f.before
	}
	return r
}

func (c *adminClient) revoke(ctx context.Context, asked adminapi.Revocation) (r adminapi.Receipt, err error) {
	return r, c.call(ctx, "/revocations", asked, &r)
}

func (f *revokeFlags) direct(ctx context.Context, id string, o revocation.Options) (adminapi.Receipt, error) {
	l, err := f.open(ctx, time.Second, false)
	if err != nil {
		return adminapi.Receipt{}, err
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	r, err := l.Revoke(ctx, revocation.TargetOf(f.scope, id), o)
	return adminapi.ReceiptOf(r), err
}

func (f *revokeFlags) print(w io.Writer, r adminapi.Receipt, what string) error {
	if *f.json {
		return printJSON(w, r)
	}
	if !r.Changed {
		what += " already"
	}
	_, err := fmt.Fprintf(w, "%s. Every replica that reaches the store refuses from %s on, every other one from %s on.\n",
		what, utc(r.Effective), utc(r.WorstCase))
	switch ahead := time.Duration(r.AheadMS) * time.Millisecond; {
	case err == nil && ahead > 0:
		_, err = fmt.Fprintf(w, "Log time, which --before is compared with, is %v ahead of the clock: sessions that began in the %v before it may live on.\n", ahead, ahead)
	case err == nil && ahead < 0:
		_, err = fmt.Fprintf(w, "Log time, which --before is compared with, is %v behind the clock: sessions that began in the %v after it may have ended, too.\n", -ahead, -ahead)
	}
	return err
}

// many revokes what is in a file.
func (f *revokeFlags) many(cmd *cobra.Command) error {
	if f.before != "" {
		return usagef("--before goes with one id, not with a file")
	}
	ids, err := f.ids(cmd)
	if err != nil {
		return err
	}
	plural := "s"
	if len(ids) == 1 {
		plural = ""
	}
	what := fmt.Sprintf("%d %v%s will be revoked, and it cannot be undone. Then every session there is costs the store one question.", len(ids), f.scope, plural)
	if err := confirm(cmd, what, "Revoke them?"); err != nil {
		return err
	}
	p := newProgress(cmd.ErrOrStderr(), len(ids))
	var receipt adminapi.Receipt
	if f.admin != "" {
		receipt, err = f.manyByAdmin(cmd.Context(), ids, p)
	} else {
		receipt, err = f.manyDirect(cmd.Context(), ids, p)
	}
	p.end()
	if err != nil {
		return err
	}
	return f.print(cmd.OutOrStdout(), receipt, fmt.Sprintf("Revoked %d", len(ids)))
}

func (f *revokeFlags) manyDirect(ctx context.Context, ids []string, p *progress) (adminapi.Receipt, error) {
	l, err := f.open(ctx, time.Second, false)
	if err != nil {
		return adminapi.Receipt{}, err
	}
	defer l.Close()
	r, err := l.RevokeMany(ctx, func(yield func(revocation.Target) bool) {
		for id := range slices.Values(ids) {
			if !yield(revocation.TargetOf(f.scope, id)) {
				return
			}
		}
	}, p.at)
	return adminapi.ReceiptOf(r), err
}

// manyByAdmin revokes one by one: the API takes one.
func (f *revokeFlags) manyByAdmin(ctx context.Context, ids []string, p *progress) (adminapi.Receipt, error) {
	var all adminapi.Receipt
	c, err := f.adminClient()
	if err != nil {
		return all, err
	}
	for i, id := range ids {
		one, err := c.revoke(ctx, f.asked(id))
		if err != nil {
			return all, fmt.Errorf("after %d of %d: %w", i, len(ids), err)
		}
		one.Changed = one.Changed || all.Changed
		all = one
		p.at(i + 1)
	}
	return all, nil
}

// ids reads one id a line; empty lines do not count.
func (f *revokeFlags) ids(cmd *cobra.Command) ([]string, error) {
	in := cmd.InOrStdin()
	if f.from != "-" {
		file, err := os.Open(f.from)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	var ids []string
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		id := strings.TrimRight(lines.Text(), "\r")
		switch {
		case id == "":
			continue
		case !utf8.ValidString(id):
			return nil, fmt.Errorf("line %d of %s is not UTF-8; nothing was revoked", n, f.from)
		case len(id) > 256 || f.scope == revlog.ScopeSession && len(id) != 22:
			return nil, fmt.Errorf("line %d of %s is no id of a %v; nothing was revoked", n, f.from, f.scope)
		}
		ids = append(ids, id)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("there is no id in %s", f.from)
	}
	return ids, nil
}
