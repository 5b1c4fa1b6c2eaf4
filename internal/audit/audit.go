// Package audit writes the audit lines of operators' changes. They have one shape, whether a change
// came through the admin API or from the wafer command.
package audit

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"unicode"
	"unicode/utf8"

	"github.com/wafer-sessions/wafer/revocation"
)

// MaxText is how many bytes a reason and a claimed actor may have.
const MaxText = 200

// By says who makes a change, and why.
type By struct {
	Actor   string // the authenticated caller, or the user of this machine
	Claimed string // who the caller says makes the change; nobody checked that. Empty: not said
	Reason  string
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
		for _, r := range text.value {
			if unicode.IsControl(r) {
				return fmt.Errorf("the %s has control characters", text.name)
			}
		}
	}
	return nil
}

// Log writes the line of one change. err says that it failed.
func Log(ctx context.Context, log *slog.Logger, what string, by By, err error, attrs ...slog.Attr) {
	all := []slog.Attr{slog.String("actor", by.Actor), slog.String("reason", by.Reason)}
	if by.Claimed != "" {
		all = append(all, slog.String("claimed_actor", by.Claimed))
	}
	all = append(all, attrs...)
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelError
		all = append(all, slog.Any("error", err))
	}
	log.LogAttrs(ctx, level, what, all...)
}

// Target names what is revoked by its tag. Only a holder of the ring can compute the tag of an id, so
// the line holds no id of a person.
func Target(l *revocation.List, t revocation.Target) slog.Attr {
	return slog.Group("target", slog.String("scope", t.Scope().String()), slog.String("tag", Tag(l, t)))
}

// Tag returns the tag of t in the spelling that audit lines have.
func Tag(l *revocation.List, t revocation.Target) string {
	tag := l.Tag(t)
	return hex.EncodeToString(tag[:])
}

// Receipt says what the list made of a revocation.
func Receipt(r revocation.Receipt) []slog.Attr {
	return []slog.Attr{slog.String("position", r.Position), slog.Bool("changed", r.Changed)}
}
