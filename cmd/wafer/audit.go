package main

import (
	"io"
	"log/slog"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/audit"
)

// auditFlags say who makes a change, and why.
type auditFlags struct{ reason, actor string }

func (f *auditFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.reason, "reason", "", "`TEXT` for the audit line: why")
	flags.StringVar(&f.actor, "actor", "", "`NAME` for the audit line: who (default: your user name on this\nmachine)")
}

// auditHelp says where the audit line goes.
const auditHelp = `The change is one audit line: who, why, what and when. With --admin the
application logs it. Without, this command prints it to standard error; keep it.`

const auditTag = " The line has a tag in place of the id: see 'wafer tag'."

func (f *auditFlags) check() error {
	if f.actor == "" {
		if u, err := user.Current(); err == nil {
			f.actor = u.Username
		}
	}
	if err := (audit.By{Claimed: f.actor, Reason: f.reason}).Check(); err != nil {
		return usageError{err}
	}
	return nil
}

// print writes the audit line of a change that this command made itself: as text, or as JSON where the
// output is JSON.
func (f *auditFlags) print(cmd *cobra.Command, asJSON bool, what string, err error, attrs ...slog.Attr) {
	audit.Log(cmd.Context(), slog.New(auditHandler(cmd.ErrOrStderr(), asJSON)), "wafer: "+what, audit.By{Actor: f.actor, Reason: f.reason}, err, attrs...)
}

func auditHandler(w io.Writer, asJSON bool) slog.Handler {
	if asJSON {
		return slog.NewJSONHandler(w, nil)
	}
	return slog.NewTextHandler(w, nil)
}
