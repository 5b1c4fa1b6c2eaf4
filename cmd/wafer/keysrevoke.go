package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

const leakTime = 2 * time.Minute // for a list to take a key and then everyone

// keyRevoke revokes a key in the ring and in the list. The ring comes first: from then on nothing new
// is sealed with the key, and every replica that reads the ring refuses what was sealed with it.
// Then come the key and everyone in the list, see [revocation.List.RevokeKey]. If a step fails, the
// earlier ones stay, and running the command again does the rest.
type keyRevoke struct {
	placeFlags
	auditFlags
	keyOnly, ringOnly bool
	json              *bool
}

func keysRevoke() *cobra.Command {
	f := &keyRevoke{}
	cmd := &cobra.Command{
		Use:   "revoke KID",
		Short: "End what a leaked key sealed",
		Long: `Do this when somebody else may know a key. To replace a key that is merely old,
rotate.

The command revokes the key in the ring, so that it seals nothing more; a new key
takes over if needed. Then it revokes the key in the list, so that every replica
refuses within seconds what the key sealed, even if an old copy of the ring is
put back. Last it logs everybody out, because a session that was forged with the
key may have been sealed again with another key. None of it can be undone.

Name the list with --redis or --bolt together with the ring (--file; with --redis
also the ring in that Redis), or with --admin: then the running application does
all of it. If something fails, run the command again: it does the rest.

` + auditHelp,
		Example: `  wafer keys revoke Qm9vaDEyMzQ --file ring.jwe --kek-file kek --redis redis://localhost:6379
  wafer keys revoke Qm9vaDEyMzQ --admin https://shop.internal:8443/admin`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("which key? Give one KID, as 'wafer keys list' shows them")
			}
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return f.complete(cmd, args), cobra.ShellCompDirectiveNoFileComp
		},
	}
	f.listFlags.add(cmd)
	f.auditFlags.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.keyOnly, "key-only", false, "do not log everybody out: a session that was forged with the\nkey and renewed under another one lives on")
	flags.BoolVar(&f.ringOnly, "ring-only", false, "change the ring alone, in --file or --redis, and leave the list\nout, for applications without one")
	f.json = jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) }
	return cmd
}

// keyRevokedJSON is what --json says was done.
type keyRevokedJSON struct {
	KID       string     `json:"kid"`
	Ring      bool       `json:"ring"`     // the key is revoked in the ring
	List      bool       `json:"list"`     // and in the list
	Everyone  bool       `json:"everyone"` // everybody is logged out
	Effective *time.Time `json:"effective,omitempty"`
	WorstCase *time.Time `json:"worst_case,omitempty"`
}

func (f *keyRevoke) check(cmd *cobra.Command) error {
	named := f.redis != "" || f.bolt != "" || f.admin.url != ""
	switch {
	case f.ringOnly && (f.bolt != "" || f.admin.url != "" || f.keyOnly):
		return usagef("--ring-only leaves the list out; it does not go with --bolt, --admin and --key-only")
	case f.ringOnly:
		if f.ring.file == "" && f.redis == "" { // the flag keeps the variable from naming a list
			f.redis = os.Getenv(variables["redis"])
		}
		return f.auditFlags.check(cmd)
	case !named:
		return usagef("where is the list of revocations? Give one of --redis URL, --bolt FILE and --admin URL. For an application without a list, give --ring-only")
	case f.admin.url != "" && given(cmd, "file"):
		return usagef("give one of --admin and --file: with --admin the application changes its own ring")
	}
	if f.redis != "" {
		if _, err := redisstore.ParseURL(f.redis); err != nil {
			return usageError{err}
		}
	}
	return errors.Join(f.one(), f.auditFlags.check(cmd))
}

func (f *keyRevoke) run(cmd *cobra.Command, kid string) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	f.listFlags.audit = f.records
	p, err := f.place(cmd)
	if err != nil {
		return err
	}
	defer p.Close()
	v, err := p.ring(cmd.Context())
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	k, ok := v.Key(kid)
	if !ok {
		return fmt.Errorf("the ring holds no key %s; 'wafer keys list' shows the keys it holds", safe(kid))
	}
	if err := confirm(cmd, f.consequences(k, time.Now()), "Revoke it?"); err != nil {
		return err
	}
	if f.admin.url != "" {
		return f.byAdmin(cmd, p, v.Ring, kid)
	}
	if err := f.inRing(cmd, p, kid); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	done := keyRevokedJSON{KID: kid, Ring: true}
	if f.ringOnly {
		return f.report(cmd, done, nil)
	}
	if !*f.json && !f.keyOnly && isTerminal(cmd.ErrOrStderr()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "Telling the list, and waiting until every replica refuses the key …")
	}
	err = f.announce(f.by(cmd.Context()), kid, &done)
	return f.report(cmd, done, err)
}

// revokedKey is the change of a ring that revokes a key.
type revokedKey string

func (k revokedKey) Change(r *keys.Ring, now time.Time, _ adminapi.Report) (*keys.Ring, error) {
	return r.Revoke(now, string(k))
}

// inRing revokes the key in the ring, writes the audit record and says so.
func (f *keyRevoke) inRing(cmd *cobra.Command, p ringPlace, kid string) error {
	before, after, err := p.change(cmd.Context(), "", revokedKey(kid))
	if err == nil {
		c := audit.Change{What: "revoke", KID: kid, Options: f.options()}
		adminapi.Changes(&c, before, after)
		f.changed(cmd, c)
	}
	if err == nil && !*f.json {
		printKeyRevoked(cmd.OutOrStdout(), kid, before, after, time.Now())
	}
	return err
}

// options says for the audit record what is left out.
func (f *keyRevoke) options() string {
	switch {
	case f.keyOnly:
		return "key_only"
	case f.ringOnly:
		return "ring_only"
	}
	return ""
}

// printKeyRevoked says what changed in the ring.
func printKeyRevoked(out io.Writer, kid string, before, after adminapi.Ring, now time.Time) {
	if old, _ := before.Key(kid); old.Revoked != nil {
		fmt.Fprintf(out, "The key %s is revoked in the ring since %s.\n", kid, from(*old.Revoked, now))
		return
	}
	fmt.Fprintf(out, "The key %s is revoked in the ring.\n", kid)
	printAdded(out, before, after, now)
}

// announce revokes the key in the list, and everyone after it.
func (f *keyRevoke) announce(ctx context.Context, kid string, done *keyRevokedJSON) error {
	l, err := f.listFlags.open(ctx, time.Second, false)
	if err != nil {
		return err
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(ctx, leakTime)
	defer cancel()
	var key, everyone revocation.Receipt
	if f.keyOnly {
		key, err = l.Revoke(ctx, revocation.Key(kid), revocation.Options{})
	} else {
		key, everyone, err = l.RevokeKey(ctx, kid, revocation.Options{})
	}
	if key.Position != "" {
		done.List = true
		done.says(adminapi.ReceiptOf(key))
	}
	if everyone.Position != "" {
		done.Everyone = true
		done.says(adminapi.ReceiptOf(everyone))
	}
	return err
}

func (d *keyRevokedJSON) says(r adminapi.Receipt) {
	d.Effective, d.WorstCase = &r.Effective, &r.WorstCase
}

// byAdmin lets the application revoke the key.
func (f *keyRevoke) byAdmin(cmd *cobra.Command, p ringPlace, before adminapi.Ring, kid string) error {
	c, err := f.admin.client()
	if err != nil {
		return err
	}
	c.http.Timeout = leakTime
	done := keyRevokedJSON{KID: kid}
	var receipt adminapi.Receipt
	asked := adminapi.KeyRevocation{KeyOnly: f.keyOnly, Reason: f.reason, Actor: f.claimed()}
	err = c.call(cmd.Context(), "/keys/"+kid+"/revoke", asked, &receipt)
	problem, _ := errors.AsType[apiError](err)
	switch {
	case err == nil:
		done.Ring, done.List, done.Everyone = true, true, !f.keyOnly
		done.says(receipt)
	case problem.Code == "unavailable":
		done.Ring = true
	case problem.Code == "disabled":
		return err // it says what was done
	case problem.Code != "":
		return fmt.Errorf("nothing was changed: %w", err)
	default: // perhaps from a proxy that did not wait for the application
		return fmt.Errorf("the application did not answer, so it is not known what was done; run the command again: %w", err)
	}
	if !*f.json {
		after := before
		if v, err := p.ring(cmd.Context()); err == nil {
			after = v.Ring
		}
		printKeyRevoked(cmd.OutOrStdout(), kid, before, after, time.Now())
	}
	return f.report(cmd, done, err)
}

// report says what was done in the list and what was not. err is why not.
func (f *keyRevoke) report(cmd *cobra.Command, done keyRevokedJSON, err error) error {
	out := cmd.OutOrStdout()
	if *f.json {
		if e := printJSON(out, done); e != nil {
			return e
		}
	} else {
		done.print(out)
	}
	var left []string
	if !done.List {
		left = append(left, "The key is not revoked in the list: a replica refuses what it sealed only once it has read the ring, and an old copy of the ring would bring it back.")
	}
	if !done.Everyone {
		left = append(left, "Nobody else is logged out: a session that was forged with the key and renewed under another one lives on.")
	}
	switch {
	case err != nil:
		return fmt.Errorf("it is only half done: %w\nNot done yet:\n  %s\nTo finish, run the same command again%s", err, strings.Join(left, "\n  "), f.otherwise())
	case len(left) == 0 || *f.json:
	case f.ringOnly:
		fmt.Fprintf(out, "Not done, because of --ring-only:\n  %s\nTo do it: 'wafer keys revoke %s' without --ring-only, and with --redis, --bolt or --admin.\n", strings.Join(left, "\n  "), done.KID)
	default:
		fmt.Fprintf(out, "Not done, because of --key-only:\n  %s\nTo do it: 'wafer revoke everyone'.\n", left[0])
	}
	return nil
}

func (d keyRevokedJSON) print(out io.Writer) {
	if d.List {
		fmt.Fprintln(out, "It is revoked in the list.")
	}
	if d.Everyone {
		fmt.Fprintln(out, "Everybody is logged out.")
	}
	if d.Effective != nil {
		fmt.Fprintf(out, "Every replica that reaches the store refuses from %s on, every other one from %s on.\n", utc(*d.Effective), utc(*d.WorstCase))
	}
}

// otherwise names the other way to a list in a file, which only one process has open at a time.
func (f *keyRevoke) otherwise() string {
	if f.bolt != "" {
		return ", or with --admin while the application runs"
	}
	return ""
}

// consequences says what is about to happen to the key.
func (f *keyRevoke) consequences(k adminapi.Key, now time.Time) string {
	what := fmt.Sprintf("The key %s is %s.", safe(k.ID), safe(k.State))
	if k.State == keys.Sealing.String() {
		what += fmt.Sprintf(" It has sealed every session since %s. A new key takes over at once.", utc(k.NotBefore))
	}
	what += "\n" + evidence(k, now)
	switch {
	case !f.keyOnly && !f.ringOnly:
		what += "\nEverybody is logged out, whichever key sealed their session."
	case k.State == keys.Pending.String() || k.State == keys.Expired.String():
		what += "\nNo session that it sealed is valid, so nobody is logged out."
	default:
		what += "\nEverybody whose session it sealed is logged out."
	}
	return what + " This cannot be undone."
}

// evidence says when a key was last used, and by how many of the running replicas.
func evidence(k adminapi.Key, now time.Time) string {
	switch {
	case k.Use == nil:
		return "It is not known when it was last used."
	case k.Use.Sealed == nil && k.Use.Opened == nil:
		return "It has not been used yet, as far as is known."
	}
	text := fmt.Sprintf("It last sealed %s, and last opened %s.", ago(k.Use.Sealed, now), ago(k.Use.Opened, now))
	if h := k.Replicas; h != nil && h.Of > 0 {
		text += fmt.Sprintf(" Of %s, %d sealed with it.", counted(h.Of, "running replica"), h.Sealed)
	}
	return text
}

// complete returns the keys of the ring that may be revoked.
func (f *keyRevoke) complete(cmd *cobra.Command, args []string) (all []cobra.Completion) {
	if len(args) > 0 || readEnvironment(cmd) != nil || f.admin.url != "" {
		return nil
	}
	r, err := f.readRing(cmd.Context())
	if err != nil {
		return nil
	}
	now := time.Now()
	for _, k := range r.Keys() {
		if state := r.State(k, now); state != keys.Revoked {
			all = append(all, cobra.CompletionWithDesc(k.ID(), state.String()))
		}
	}
	return all
}
