package main

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/audit"
)

// auditFlags say who makes a change and why, and where its audit record goes.
type auditFlags struct {
	reason, actor, auditFile string
	user                     string       // of this machine; check sets it
	records                  slog.Handler // check sets it
}

func (f *auditFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.reason, "reason", "", "`TEXT` for the audit record: why")
	flags.StringVar(&f.actor, "actor", "", "`NAME` for the audit record: who asks for it. Nobody checks\nthat, so it stands beside your user name on this machine")
	flags.StringVar(&f.auditFile, "audit", "", "`FILE` to which the audit record is appended, in place of\nstandard error")
	orVariable(cmd, "audit")
	cmd.MarkFlagFilename("audit")
}

// auditHelp says where the audit record goes.
const auditHelp = `The change is one audit record, a line of JSON: who, why, what and when. With
--admin the application writes it. Without, this command appends it to the file
of --audit, or prints it to standard error; keep it.`

const auditTag = " The record has a tag in place\nof the id: see 'wafer tag'."

// check checks the flags and opens the file of the records: a change whose record cannot be kept is not
// made.
func (f *auditFlags) check(cmd *cobra.Command) error {
	if u, err := user.Current(); err == nil {
		f.user = u.Username
	}
	if err := (audit.By{Claimed: f.claimed(), Reason: f.reason}).Check(); err != nil {
		return usageError{err}
	}
	to := cmd.ErrOrStderr()
	if f.auditFile != "" {
		file, err := os.OpenFile(f.auditFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) // closed by the end of the command
		if err != nil {
			return err
		}
		to = file
	}
	f.records = slog.NewJSONHandler(to, nil)
	return nil
}

// claimed is who the admin API is told acts: without --actor, the user of this machine.
func (f *auditFlags) claimed() string { return cmp.Or(f.actor, f.user) }

// by returns the context of a change that this command makes itself.
func (f *auditFlags) by(ctx context.Context) context.Context {
	return audit.With(ctx, audit.By{Actor: f.user, Claimed: f.actor, Reason: f.reason, Via: audit.ViaCommand})
}

// changed writes the record of a change of a ring that this command made itself.
func (f *auditFlags) changed(cmd *cobra.Command, c audit.Change) {
	audit.Record{Action: audit.Keys, Ring: c}.Write(f.by(cmd.Context()), f.records)
}
