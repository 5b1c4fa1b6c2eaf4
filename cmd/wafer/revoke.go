package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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
		Short: "End sessions: one, all of a person or a group, everybody's, or those listed in a file",
		Long: `Ends sessions. Every replica that reaches the store refuses them two seconds
after this command returns. A revocation cannot be undone, but people can log
in again. With --over, sessions end one after another. With --require-login or
--reload none ends: they are locked until the next login, or their data is
loaded again.

Name the list with --redis or --bolt together with the ring of the application
(--file; with --redis also the ring in that Redis), or with --admin.

Wafer keeps no record of who is logged in. So it cannot say how many sessions a
revocation ends, and an id or a name that nobody has is not an error. Only
'wafer revoke everyone' says before it asks about how many people that is. With
--dry-run nothing is revoked, and the command says what would be.

` + auditHelp + auditTag,
	}
	cmd.AddCommand(
		revokeScope(revlog.ScopeSession, "session [ID]", "End one session, or those listed in a file",
			"The id of a session is the 22 characters of Session.ID. 'wafer token inspect' shows it."),
		revokeScope(revlog.ScopeSubject, "subject [ID]", "End all sessions of a person, or of those listed in a file",
			"The id is the one with which the application logs people in. After a theft revoke\nthe subject: a thief who has one session may have more."),
		revokeScope(revlog.ScopeGroup, "group [NAME]", "End all sessions of a group, or of those listed in a file",
			"A group is a name that the application attached to sessions at login, such as\ntenant:7."),
		revokeScope(revlog.ScopeEveryone, "everyone", "End all sessions there are",
			"Everybody must log in again."),
	)
	return cmd
}

type revokeFlags struct {
	listFlags
	auditFlags
	scope  revlog.Scope
	before string
	from   string
	how    howFlags
	wait   bool
	dryRun bool
	json   *bool
}

// fleetWait is how long --wait waits. A replica that crashed stays registered for 15 s.
const fleetWait = 20 * time.Second

func revokeScope(scope revlog.Scope, use, short, long string) *cobra.Command {
	f := &revokeFlags{scope: scope}
	if scope != revlog.ScopeEveryone {
		long += "\n\n" + nobodyKnown
	}
	cmd := &cobra.Command{Use: use, Short: short, Long: long + "\n\n" + auditHelp + auditTag, Args: cobra.MaximumNArgs(1)}
	f.listFlags.add(cmd)
	f.auditFlags.add(cmd)
	flags := cmd.Flags()
	if scope != revlog.ScopeSession {
		flags.StringVar(&f.before, "before", "", "only sessions that began at or before `TIME`, such as\n2026-03-01T12:00:00Z; without it, all that began until now")
	}
	if scope == revlog.ScopeEveryone {
		cmd.Args = cobra.NoArgs
	} else {
		flags.StringVar(&f.from, "from", "", "`FILE` with one id a line, - for standard input; afterwards the\nstore is asked once about every session there is")
		cmd.MarkFlagFilename("from")
	}
	f.how.add(cmd, scope)
	flags.BoolVar(&f.wait, "wait", false, "wait until every replica has confirmed it, up to 20 s, and name\nthose that have not")
	flags.BoolVar(&f.dryRun, "dry-run", false, "do nothing, and say what would be done")
	f.json = jsonFlag(cmd)
	cmd.RunE = f.run
	return cmd
}

// nobodyKnown says why a mistyped name is not noticed.
const nobodyKnown = `Wafer keeps no record of who is logged in, so an id that nobody has is not an
error. Check the spelling.`

func (f *revokeFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.one(); err != nil {
		return err
	}
	if f.dryRun {
		f.auditFile = "" // there is no record
	}
	if err := f.auditFlags.check(cmd); err != nil {
		return err
	}
	f.listFlags.audit = f.records
	way, err := f.way(cmd)
	if err != nil {
		return err
	}
	id := ""
	switch {
	case f.scope == revlog.ScopeEveryone && f.dryRun:
	case f.scope == revlog.ScopeEveryone:
		who, err := f.everybody(cmd)
		if err != nil {
			return err
		}
		if err := confirm(cmd, who, f.how.question()); err != nil {
			return err
		}
	case f.from != "" && len(args) == 1, f.from == "" && len(args) == 0:
		return usagef("which %v? Give one id, or a file of ids with --from FILE", f.scope)
	case f.from != "" && f.wait && f.admin.url != "":
		return usagef("--wait goes with one id, or with a file and --redis")
	case f.from != "":
		return f.many(cmd)
	case !utf8.ValidString(args[0]):
		return usagef("the id of the %v is not UTF-8", f.scope)
	default:
		id = args[0]
	}
	if f.dryRun {
		return f.preview(cmd, id, way)
	}
	receipt, err := f.revoke(cmd, id, way)
	if err != nil {
		return err
	}
	return f.report(cmd.OutOrStdout(), receipt, f.how.done(f.scope, id, f.before, receipt))
}

// report prints r. With --wait it returns an error if a replica has not confirmed.
func (f *revokeFlags) report(w io.Writer, receipt adminapi.Receipt, what string) error {
	if err := f.print(w, receipt, what); err != nil {
		return err
	}
	if f.wait && (receipt.Fleet == nil || !receipt.Fleet.Complete) {
		return errors.New("the store has it, but not every replica has confirmed it")
	}
	return nil
}

// way returns what --before and the flags of the effect say.
func (f *revokeFlags) way(cmd *cobra.Command) (w adminapi.Way, err error) {
	if w, err = f.how.way(cmd, f.from != ""); err != nil {
		return w, err
	}
	if !given(cmd, "before") { // an empty time is given, too: it must not mean all that began until now
		return w, nil
	}
	at, err := time.Parse(time.RFC3339, f.before)
	if err != nil {
		return w, usagef("--before is not a time such as 2026-03-01T12:00:00Z")
	}
	if at.Unix() < 0 {
		return w, usagef("--before is earlier than 1970; leave it out to revoke all sessions that began until now")
	}
	w.Before = at
	return w, nil
}

func (f *revokeFlags) revoke(cmd *cobra.Command, id string, w adminapi.Way) (adminapi.Receipt, error) {
	if f.admin.url != "" {
		c, err := f.admin.client()
		if err != nil {
			return adminapi.Receipt{}, err
		}
		return c.revoke(cmd.Context(), f.asked(id))
	}
	l, err := f.open(cmd.Context(), time.Second, false)
	if err != nil {
		return adminapi.Receipt{}, err
	}
	defer l.Close()
	wait := time.Duration(0)
	if f.wait {
		wait = fleetWait
	}
	ctx, cancel := context.WithTimeout(f.by(cmd.Context()), openTime+wait)
	defer cancel()
	return w.Revoke(ctx, l.List, revocation.TargetOf(f.scope, id), wait)
}

// asked is what the admin API is asked for.
func (f *revokeFlags) asked(id string) adminapi.Revocation {
	r := adminapi.Revocation{Scope: f.scope.String(), ID: id, Reason: f.reason, Actor: f.claimed(), DryRun: f.dryRun}
	if f.before != "" {
		r.Before = &f.before
	}
	f.how.asked(&r)
	if f.wait {
		r.Wait = adminapi.WaitFleet
	}
	return r
}

func (c *adminClient) revoke(ctx context.Context, asked adminapi.Revocation) (r adminapi.Receipt, err error) {
	return r, c.call(ctx, "/revocations", asked, &r)
}

func (f *revokeFlags) print(w io.Writer, r adminapi.Receipt, what string) error {
	if *f.json {
		return printJSON(w, r)
	}
	_, err := fmt.Fprintf(w, "%s Every replica that reaches the store %s from %s on, every other one from %s on.\n",
		what, f.how.verb(), utc(r.Effective), utc(r.WorstCase))
	if err == nil && r.Fleet != nil {
		err = printFleet(w, r.Fleet)
	}
	switch ahead := time.Duration(r.AheadMS) * time.Millisecond; {
	case err == nil && ahead > 0:
		_, err = fmt.Fprintf(w, "Log time, which --before is compared with, is %v ahead of the clock: sessions that began in the %v before it may live on.\n", ahead, ahead)
	case err == nil && ahead < 0:
		_, err = fmt.Fprintf(w, "Log time, which --before is compared with, is %v behind the clock: sessions that began in the %v after it may have ended, too.\n", -ahead, -ahead)
	}
	if err == nil && (f.scope == revlog.ScopeSubject || f.scope == revlog.ScopeGroup) {
		_, err = fmt.Fprintf(w, "Wafer keeps no record of who is logged in, so check the spelling: a %v that nobody has is %s like any other.\n", f.scope, f.how.participle())
	}
	return err
}

// printFleet says which replicas have confirmed a revocation.
func printFleet(w io.Writer, f *adminapi.Fleet) error {
	took := time.Duration(f.TookMS) * time.Millisecond
	switch {
	case f.Complete && f.Refusing == 0:
		_, err := fmt.Fprintln(w, "No replica is registered with the store.")
		return err
	case f.Complete && f.Refusing == 1:
		_, err := fmt.Fprintf(w, "The only replica has confirmed it, %v after the store took it.\n", took)
		return err
	case f.Complete:
		_, err := fmt.Fprintf(w, "All %d replicas have confirmed it, %v after the store took it.\n", f.Refusing, took)
		return err
	}
	if _, err := fmt.Fprintf(w, "%s confirmed in %v. Not confirmed:\n", counted(f.Refusing, "replica"), took); err != nil {
		return err
	}
	for _, r := range f.Behind {
		if _, err := fmt.Fprintf(w, "  %s on %s, %s, last heard of at %s\n", safe(r.ID), safe(r.Host), safe(r.State), utc(r.Seen)); err != nil {
			return err
		}
	}
	return nil
}
