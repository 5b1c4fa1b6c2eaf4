package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

const (
	longestAfter = 366 * day
	defaultWait  = "2m"
)

type keyRotate struct {
	keysChange
	after, ifOlder, wait days
	now, cancel          bool
}

func keysRotate() *cobra.Command {
	f := &keyRotate{}
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Add a new key; nobody is logged out",
		Long: `Adds a key that begins to seal after some time, when every replica has it. The key
that seals until then still opens sessions for as long as a session can live.
Nobody is logged out.

With --now the new key seals at once. Until a replica has loaded the new key, it
treats sessions sealed with it as logged out.

With --wait the command returns when every running replica has the new key. If
some do not have it in time, it names them, and the exit status is 1. Then take
the key back with --cancel, before it seals.

With --cancel the key that is waiting never seals, the key that seals now goes on,
and nobody is logged out. A key that begins to seal within a minute cannot be
taken back, because a replica may not learn of it in time.

With --if-older-than the command is good for a timer: while the newest key is
younger, or a new key is waiting already, it changes nothing, and the exit status
is 0.`,
		Example: `  wafer keys rotate --file ring.jwe --kek-file kek
  wafer keys rotate --redis redis://localhost:6379 --after 1h --wait
  wafer keys rotate --admin https://shop.internal:8443/admin --if-older-than 30d`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && given(cmd, "wait") {
				return fmt.Errorf("what is %q? If --wait should wait for so long, write --wait=%[1]s", args[0])
			}
			return cobra.NoArgs(cmd, args)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.Var(&f.after, "after", "how long the new key waits (default 10m)")
	flags.BoolVar(&f.now, "now", false, "let the new key seal at once")
	flags.Var(&f.ifOlder, "if-older-than", "do nothing while the newest key is younger, as 30d")
	flags.BoolVar(&f.cancel, "cancel", false, "take back the key that is waiting")
	flags.Var(&f.wait, "wait", "wait until every replica has the new key, for so long at the\nmost")
	flags.Lookup("wait").NoOptDefVal = defaultWait
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return f.run(cmd) }
	return cmd
}

func (f *keyRotate) check() error {
	switch {
	case f.now && f.after != 0:
		return usagef("give one of --now and --after")
	case f.cancel && (f.now || f.after != 0 || f.ifOlder != 0):
		return usagef("--cancel takes a rotation back; it does not go with --now, --after and --if-older-than")
	case time.Duration(max(f.after, f.ifOlder)) > longestAfter:
		return usagef("--after and --if-older-than are at most %s", span(longestAfter))
	case f.wait != 0 && f.admin.url == "" && f.redis == "":
		return usagef("--wait: %s", errNoRegistry)
	}
	return nil
}

func (f *keyRotate) run(cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return err
	}
	p, err := f.open(cmd)
	if err != nil {
		return err
	}
	defer p.Close()
	now, out := time.Now(), cmd.OutOrStdout()
	before, after, err := f.rotate(cmd, p)
	if err != nil {
		return rotateError(err, before, now)
	}
	if !*f.json {
		f.print(out, before, after, now)
	}
	if f.wait != 0 {
		kid := changed(before, after)
		after, err = f.waitFor(cmd, p, after, kid)
		if k, _ := after.Key(kid); err == nil && !*f.json {
			fmt.Fprintf(out, "Every replica %s: %d of %[2]d.\n", knows(k), k.Replicas.Of)
		}
	}
	if *f.json {
		err = errors.Join(printJSON(out, after), err)
	}
	return err
}

// rotate adds a key, or takes back the one that waits.
func (f *keyRotate) rotate(cmd *cobra.Command, p ringPlace) (before, after adminapi.Ring, err error) {
	if f.cancel {
		return f.change(cmd, p, "/keys/cancel", adminapi.Cancellation{Reason: f.reason, Actor: f.claimed()})
	}
	return f.change(cmd, p, "/keys/rotate", adminapi.Rotation{
		After: whole(f.after), Immediate: f.now, IfOlderThan: whole(f.ifOlder), Reason: f.reason, Actor: f.claimed(),
	})
}

// changed returns the key that was added or taken back, or the newest if nothing had to change.
func changed(before, after adminapi.Ring) string {
	for _, kids := range [][]string{after.Without(before), after.RevokedSince(before)} {
		if len(kids) > 0 {
			return kids[0]
		}
	}
	return youngest(after, time.Now()).ID
}

// knows says what a replica has of a key that it has.
func knows(k adminapi.Key) string {
	if k.Revoked != nil {
		return "knows that key " + safe(k.ID) + " is taken back"
	}
	return "has key " + safe(k.ID)
}

// know is knows for several replicas.
func know(k adminapi.Key) string {
	if k.Revoked != nil {
		return "know that the key is taken back"
	}
	return "have the key"
}

// whole returns d in seconds, rounded up.
func whole(d days) int64 {
	return int64((time.Duration(d) + time.Second - 1) / time.Second)
}

// rotateError says what to do about a ring that cannot take a key.
func rotateError(err error, d adminapi.Ring, now time.Time) error {
	i := slices.IndexFunc(d.Keys, func(k adminapi.Key) bool { return k.State == keys.Pending.String() })
	switch {
	case errors.Is(err, keys.ErrPending) && i >= 0:
		return fmt.Errorf("key %s is waiting already, and begins to seal at %s. Use --now if that is too late, or --cancel to take the key back", safe(d.Keys[i].ID), from(d.Keys[i].NotBefore, now))
	case errors.Is(err, keys.ErrNothingPending) && i >= 0:
		return fmt.Errorf("key %s begins to seal at %s, and a replica may not learn in time that it must not. To replace it, rotate again with --now", safe(d.Keys[i].ID), from(d.Keys[i].NotBefore, now))
	case errors.Is(err, keys.ErrNothingPending):
		return errors.New("no new key is waiting; there is nothing to take back")
	case errors.Is(err, keys.ErrFull):
		return errors.New("the ring is full; 'wafer keys prune' removes the expired keys")
	}
	return err
}

func (f *keyRotate) print(out io.Writer, before, after adminapi.Ring, now time.Time) {
	if f.cancel {
		printCancelled(out, before, after)
		return
	}
	if len(after.Without(before)) == 0 {
		printYounger(out, youngest(after, now), now)
		return
	}
	printRotated(out, before, after, now)
	if f.now {
		fmt.Fprintln(out, "Until a replica has loaded the new key, it treats sessions sealed with it as logged out.")
	}
}

// printCancelled says which keys never seal, and which one goes on.
func printCancelled(out io.Writer, before, after adminapi.Ring) {
	for _, kid := range after.RevokedSince(before) {
		fmt.Fprintf(out, "Key %s is taken back: it never seals.\n", safe(kid))
	}
	if kid := sealing(after); kid != "" {
		fmt.Fprintf(out, "Key %s goes on sealing. Nobody is logged out.\n", safe(kid))
	}
}

// youngest returns the key that keeps --if-older-than from rotating: one that waits, or the one that was
// made last. A clock that is ahead made a key of the future; it keeps nothing if it is taken back.
func youngest(d adminapi.Ring, now time.Time) (last adminapi.Key) {
	for _, k := range d.Keys {
		if k.State == keys.Pending.String() {
			return k
		}
		if k.IssuedAt.After(last.IssuedAt) && !(k.Revoked != nil && k.IssuedAt.After(now)) {
			last = k
		}
	}
	return last
}

// printYounger says why --if-older-than did nothing.
func printYounger(out io.Writer, newest adminapi.Key, now time.Time) {
	if newest.State == keys.Pending.String() {
		fmt.Fprintf(out, "Key %s is waiting already, and begins to seal at %s; nothing to do.\n", safe(newest.ID), from(newest.NotBefore, now))
		return
	}
	fmt.Fprintf(out, "Key %s is younger: it was made %s; nothing to do.\n", safe(newest.ID), ago(&newest.IssuedAt, now))
}

// printRotated says which key is new, when it seals, and until when the old one opens.
func printRotated(out io.Writer, before, after adminapi.Ring, now time.Time) {
	printAdded(out, before, after, now)
	for _, old := range before.Keys {
		if k, ok := after.Key(old.ID); ok && old.State == keys.Sealing.String() && k.Revoked == nil && k.Expires != nil {
			fmt.Fprintf(out, "Key %s opens what it sealed until %s. Nobody is logged out.\n", safe(k.ID), from(*k.Expires, now))
		}
	}
}

// printAdded says when the new keys seal.
func printAdded(out io.Writer, before, after adminapi.Ring, now time.Time) {
	for _, kid := range after.Without(before) {
		if k, _ := after.Key(kid); k.State == keys.Pending.String() {
			fmt.Fprintf(out, "Key %s begins to seal at %s.\n", safe(kid), from(k.NotBefore, now))
		} else {
			fmt.Fprintf(out, "Key %s seals now.\n", safe(kid))
		}
	}
}

// waitFor returns the ring d as it is once every replica has a key.
func (f *keyRotate) waitFor(cmd *cobra.Command, p ringPlace, d adminapi.Ring, kid string) (adminapi.Ring, error) {
	show := newProgress(cmd.ErrOrStderr(), 0)
	defer show.end()
	ctx, cancel := context.WithTimeout(cmd.Context(), time.Duration(f.wait))
	defer cancel()
	for {
		v, err := p.ring(ctx)
		k, _ := v.Key(kid) // the application may have another replica that answers, without the key
		switch h := k.Replicas; {
		case err != nil: // as while the application is deployed
			v.unknown = err
		case h != nil:
			d = v.Ring
			show.say(fmt.Sprintf("%d of %d replicas %s", h.Have, h.Of, know(k)))
			if h.Of > 0 && h.Have == h.Of {
				return d, nil
			}
		}
		select {
		case <-ctx.Done():
			return d, f.late(d, v, kid)
		case <-time.After(waitEvery):
		}
	}
}

const waitEvery = 500 * time.Millisecond

// late says which replicas do not have the key.
func (f *keyRotate) late(d adminapi.Ring, v ringView, kid string) error {
	after := span(time.Duration(f.wait))
	k, _ := d.Key(kid)
	switch h := k.Replicas; {
	case h == nil && v.unknown != nil:
		return fmt.Errorf("after %s it is not known which replicas have key %s: %s", after, safe(kid), withoutPackages(v.unknown))
	case h == nil || h.Of == 0:
		return fmt.Errorf("after %s no running replica reports keys. Is this the list of the application?", after)
	default:
		return fmt.Errorf("after %s key %s %s on %s of %d: %s", after, safe(kid), lacking(k), counted(len(h.Missing), "replica"), h.Of, holders(h.Missing))
	}
}
