// Package audit is the record of who changed what: one [Record] for each revocation, each change of a
// key ring, each refused call of the admin API, whatever the way it came, and for each list that an
// operator deletes.
//
// The application chooses where records go. It gives one [slog.Handler] to revocation.Config.Audit,
// admin.Config.Audit, keys.FileConfig.Audit and rediskeys.Config.Audit:
//
//	audit := slog.NewJSONHandler(file, nil)
//
// Package revocation writes the record of a revocation when the store has answered, and the place
// that keeps a ring writes the record of its change. So a record says what happened, and a call of
// the library gets one as much as a request to the admin API. [With] says who acts:
//
//	ctx = audit.With(ctx, audit.By{Actor: "grace", Reason: "stolen laptop"})
//	list.Revoke(ctx, revocation.Subject("ada"), revocation.Options{})
//
// Without it, httpmw names the user whose session it is, by the tag of the subject.
//
// # Privacy
//
// A record holds no id of a session or a subject, no token and no key. Its target is the tag that
// stands for the id in the list. Only a holder of the key ring can compute it ("wafer tag" does). A
// record does hold what [By] says: names of operators, network addresses, reasons.
//
// # Reading
//
// [Parse] reads the line that [slog.JSONHandler] writes. "wafer audit verify" compares such lines
// with the log of the list. docs/audit.md documents each member, and what a check can find out.
package audit

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Message is the message of every record. It tells records from other lines of a log.
const Message = "wafer audit"

// MaxText is how many bytes each text in a [By] may have.
const MaxText = 200

// What Record.Action says.
const (
	Revoke     = "revoke"      // one target was revoked
	RevokeMany = "revoke_many" // the end of a RevokeMany, which also has a record for each target
	Keys       = "keys"        // a ring was changed
	Reset      = "reset"       // a list that replicas could not follow was deleted
	Refused    = "refused"     // the admin API refused a call, or its console a sign-in
	SignIn     = "sign_in"     // an operator signed in to the console
)

// What By.Via says.
const (
	ViaApplication = "application" // a call of the library
	ViaSession     = "session"     // httpmw, for the user whose session it is
	ViaAdmin       = "admin"       // the admin API
	ViaCommand     = "command"     // the wafer command, which opened the store itself
)

// A By says who makes a change, from where and why. [With] shortens texts to MaxText bytes and
// removes control characters from them.
type By struct {
	// Actor is who acts: the name of a token of the admin API, the user of this machine, or "subject:"
	// and a tag. Empty: not known.
	Actor string
	// Claimed is who the caller says acts. Nobody checked that. Empty: not said.
	Claimed string
	// Address is where the request came from. Empty: not from the network.
	Address string
	// Reason says why. Empty: not said.
	Reason string
	// Via is the way the change came. Empty: ViaApplication.
	Via string
}

// Check returns an error unless Claimed and Reason are short texts of one line.
func (b By) Check() error {
	for _, text := range []struct{ name, value string }{{"reason", b.Reason}, {"actor", b.Claimed}} {
		if len(text.value) > MaxText {
			return fmt.Errorf("the %s is longer than %d bytes", text.name, MaxText)
		}
		if !utf8.ValidString(text.value) {
			return fmt.Errorf("the %s is not UTF-8", text.name)
		}
		if strings.ContainsFunc(text.value, deceives) {
			return fmt.Errorf("the %s has control characters", text.name)
		}
	}
	return nil
}

type byKey struct{}

// With returns a context for changes that b makes.
func With(ctx context.Context, b By) context.Context {
	for _, text := range []*string{&b.Actor, &b.Claimed, &b.Address, &b.Reason, &b.Via} {
		*text = clean(*text)
	}
	return context.WithValue(ctx, byKey{}, b)
}

// From returns who acts, and whether the context says so.
func From(ctx context.Context) (b By, ok bool) {
	b, ok = ctx.Value(byKey{}).(By)
	if b.Via == "" {
		b.Via = ViaApplication
	}
	return b, ok
}

// deceives reports whether r can make a line look like another one, or like two: a control character,
// the end of a line or a paragraph, or a change of the direction of writing.
func deceives(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if deceives(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	for len(text) > MaxText {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return text
}

type recordedKey struct{}

// Recorded returns a context for a change of a ring whose record the caller writes. The place that
// keeps the ring then writes none.
func Recorded(ctx context.Context) context.Context {
	return context.WithValue(ctx, recordedKey{}, true)
}

// IsRecorded reports whether ctx comes from [Recorded].
func IsRecorded(ctx context.Context) bool { return ctx.Value(recordedKey{}) != nil }

// Handler returns h, or the handler of l if h is nil, or that of [slog.Default] if both are nil.
func Handler(h slog.Handler, l *slog.Logger) slog.Handler {
	switch {
	case h != nil:
		return h
	case l != nil:
		return l.Handler()
	}
	return slog.Default().Handler()
}

// Write hands r to h, with the present time and who acts by ctx. An error of the handler is lost, as
// with every slog.Logger: a handler that must not lose a record has to see to that itself.
func (r Record) Write(ctx context.Context, h slog.Handler) {
	r.By, _ = From(ctx)
	level := slog.LevelInfo
	switch {
	case r.Error != "":
		level = slog.LevelError
	case r.Action == Refused:
		level = slog.LevelWarn
	}
	if !h.Enabled(ctx, level) {
		return
	}
	line := slog.NewRecord(time.Now(), level, Message, 0)
	line.AddAttrs(r.attrs()...)
	_ = h.Handle(ctx, line)
}
