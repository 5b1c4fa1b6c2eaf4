package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
)

// keyDrill rehearses what to do after a leak, and measures how soon it takes effect.
type keyDrill struct {
	admin adminFlags
	auditFlags
	urls       []string
	cookieFile string
	keyOnly    bool
	timeout    days
	json       *bool
}

func keysDrill() *cobra.Command {
	f := &keyDrill{timeout: days(time.Minute)}
	cmd := &cobra.Command{
		Use:   "drill --admin URL --url URL...",
		Short: "Rehearse a leak: rotate, revoke, and measure until every replica refuses",
		Long: `Rehearses what to do after a leak, on a demo or a staging fleet. It logs people
out, so it asks first.

The drill signs in, rotates the ring at once, and revokes the key that sealed its
session, as 'wafer keys revoke' does. All the while it asks every replica for that
session. It prints the seconds from the moment at which the revocation was asked
for until every replica refused the session for good.

By default --url is the address of a demo, where anybody may sign in, and whose
answers name the replica. For another application, sign in with a browser, put the
Cookie header that it sends into a file of your own (mode 0600), and name that with
--cookie-file. Then each --url is a page that answers 200 to a session, and 401, 403
or a redirect without one. Give one --url for each replica.

If a replica still accepts the session after --timeout, the exit status is 1.`,
		Example: `  wafer keys drill --admin http://127.0.0.1:8080/admin --url http://127.0.0.1:8080
  wafer keys drill --admin https://a.staging:8443/admin --cookie-file cookie --url https://a.staging/account --url https://b.staging/account`,
		Args: cobra.NoArgs,
	}
	f.admin.add(cmd)
	f.auditFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.urls, "url", nil, "`URL` of a demo or, with --cookie-file, of a page of a replica;\nseveral times for several replicas")
	flags.StringVar(&f.cookieFile, "cookie-file", "", "`FILE` with the Cookie header of a session that you began")
	flags.BoolVar(&f.keyOnly, "key-only", false, "do not log everybody out, only those whose session the key\nsealed")
	flags.Var(&f.timeout, "timeout", "how long to wait until every replica refuses")
	cmd.MarkFlagFilename("cookie-file")
	f.json = jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.run(cmd) }
	return cmd
}

// A drillReport is what --json prints. Times are in seconds since the revocation was asked for.
type drillReport struct {
	KID      string         `json:"kid"`     // the key that was revoked
	NewKID   string         `json:"new_kid"` // the key that seals now
	KeyOnly  bool           `json:"key_only"`
	Seconds  *float64       `json:"seconds"`            // until every replica refused; null: some did not
	Promised float64        `json:"promised,omitempty"` // by the list, once it acknowledged the revocation
	Replicas []drillReplica `json:"replicas"`
}

// A drillReplica is one replica in a drill.
type drillReplica struct {
	Name     string   `json:"replica"`
	Accepted *float64 `json:"accepted,omitempty"` // last, by when it was asked; absent: not since the revocation
	Refused  *float64 `json:"refused,omitempty"`  // for good, by when it answered; absent: it did not
	Status   int      `json:"status"`             // of its last answer
}

func (f *keyDrill) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	c, err := f.admin.client()
	if err != nil {
		return err
	}
	session, err := newDrillSession(f)
	if err != nil {
		return err
	}
	if err := confirm(cmd, f.consequences(), "Run the drill?"); err != nil {
		return err
	}
	report, err := f.drill(cmd, c, session)
	if report == nil {
		return err
	}
	if *f.json {
		return errors.Join(printJSON(cmd.OutOrStdout(), report), err)
	}
	report.print(cmd.OutOrStdout())
	return err
}

func (f *keyDrill) check(cmd *cobra.Command) error {
	switch {
	case f.admin.url == "":
		return usagef("which application? Give its admin API with --admin URL")
	case len(f.urls) == 0:
		return usagef("which replicas? Give --url URL, several times for several replicas")
	}
	return f.auditFlags.check(cmd)
}

func (f *keyDrill) consequences() string {
	who := "Everybody is logged out."
	if f.keyOnly {
		who = "Everybody whose session the key sealed is logged out."
	}
	return "The drill revokes the key that seals now. " + who + " This cannot be undone. It is for a demo or a staging fleet."
}

// drill returns nil if it did not come to revoking.
func (f *keyDrill) drill(cmd *cobra.Command, c *adminClient, s *drillSession) (*drillReport, error) {
	ctx, note := cmd.Context(), notes(cmd, *f.json)
	if err := s.begin(ctx); err != nil {
		return nil, fmt.Errorf("nothing was changed: %w", err)
	}
	var ring adminapi.Ring
	if err := c.call(ctx, "/keys", nil, &ring); err != nil {
		return nil, fmt.Errorf("nothing was changed: %w", err)
	}
	kid, ok := s.sealedBy(ring)
	if !ok {
		return nil, errors.New("nothing was changed: no cookie of the session is sealed with a key of the application's ring. Are --admin and --url the same application?")
	}
	fmt.Fprintf(note, "Key %s sealed the session, and %s it.\n", safe(kid), accept(len(s.names())))
	if err := c.call(ctx, "/keys/rotate", adminapi.Rotation{Immediate: true, Reason: f.reason, Actor: f.claimed()}, &ring); err != nil {
		return nil, fmt.Errorf("nothing was changed: %w", err)
	}
	report := &drillReport{KID: kid, NewKID: sealing(ring), KeyOnly: f.keyOnly}
	fmt.Fprintf(note, "Key %s seals now.\n", safe(report.NewKID))
	var status adminapi.Status
	if c.call(ctx, "/status", nil, &status) == nil {
		report.Promised = status.Promise.Within
	}
	fmt.Fprintln(note, "Revoking the first key, and asking every replica for the session …")
	return report, f.revoke(ctx, c, s, report)
}

// revoke revokes the key, and fills in when each replica refused the session.
func (f *keyDrill) revoke(ctx context.Context, c *adminClient, s *drillSession, report *drillReport) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(f.timeout))
	defer cancel()
	c.http.Timeout = leakTime
	revoked := make(chan error, 1)
	s.watch(ctx)
	asked := time.Now()
	go func() {
		var receipt adminapi.Receipt
		revoked <- c.call(context.WithoutCancel(ctx), "/keys/"+report.KID+"/revoke", adminapi.KeyRevocation{KeyOnly: f.keyOnly, Reason: f.reason, Actor: f.claimed()}, &receipt)
	}()
	err := <-revoked
	s.awaitRefusals(ctx)
	cancel()
	early, late := s.report(asked, report)
	switch {
	case err != nil:
		return fmt.Errorf("the revocation is not complete: %w", err)
	case len(early) > 0:
		return fmt.Errorf("the session had ended before the key was revoked, on %s; run the drill again", nameList(early))
	case len(late) > 0:
		return fmt.Errorf("after %s the session is not refused by %s", span(time.Duration(f.timeout)), nameList(late))
	}
	return nil
}

func sealing(d adminapi.Ring) string {
	for _, k := range d.Keys {
		if k.State == "sealing" {
			return k.ID
		}
	}
	return ""
}

func accept(n int) string {
	if n == 1 {
		return "1 replica accepts"
	}
	return fmt.Sprintf("%d replicas accept", n)
}

func (r *drillReport) print(out io.Writer) {
	fmt.Fprintln(out)
	rows := [][]cell{{{"REPLICA", dim}, {"LAST ACCEPTED", dim}, {"REFUSED", dim}, {"ANSWER", dim}}}
	for _, p := range r.Replicas {
		colour := green
		if p.Refused == nil {
			colour = red
		}
		rows = append(rows, []cell{{safe(p.Name), ""}, {after(p.Accepted), ""}, {after(p.Refused), colour}, {fmt.Sprint(p.Status), ""}})
	}
	table(out, "", rows)
	if r.Seconds == nil {
		return
	}
	fmt.Fprintf(out, "\nEvery replica refused what key %s sealed %.2f s after the revocation was asked for.\n", safe(r.KID), *r.Seconds)
	if r.Promised > 0 {
		fmt.Fprintf(out, "The list promises %.3g s from the moment at which it has the revocation.\n", r.Promised)
	}
}

// after prints seconds since the revocation.
func after(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f s after", *seconds)
}
