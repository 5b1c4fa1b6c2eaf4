package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check audit records against the log of the list",
	}
	cmd.AddCommand(auditVerify())
	return cmd
}

func auditVerify() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Say which revocations have no audit record, and which records no revocation",
		Long: `Compares files of audit records, as slog.JSONHandler writes them, with the log of
the list in a store. Give the files of all replicas and of the wafer command; -
is standard input. It tells

  entries of the log that no record explains: somebody revoked past the audit
  records that name an entry which the log does not have, or of another log
  records of entries that the log does not hold any more: it goes back 24 h at most

The command needs no ring, joins nothing and changes nothing. SECURITY.md says
what somebody who can change the files, or the store, can hide from it.

The exit status is 1 if records and log disagree, or a line cannot be read.`,
		Example: `  wafer audit verify /var/log/shop/audit.jsonl --redis redis://localhost:6379
  cat web-*/audit.jsonl | wafer audit verify - --redis redis://localhost:6379 --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("which records? Give a FILE, - for standard input")
			}
			return nil
		},
	}
	f.addRedis(cmd)
	cmd.Flags().StringVar(&f.bolt, "bolt", "", "`FILE` with the list, while no other process has it open")
	cmd.MarkFlagFilename("bolt")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.one(); err != nil {
			return usagef("where is the list? Give one of --redis URL and --bolt FILE")
		}
		report, err := f.verify(cmd.Context(), cmd, args)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), report)
		} else {
			report.print(cmd.OutOrStdout())
		}
		if err == nil && report.wrong() {
			err = errors.New("the records and the log disagree")
		}
		return err
	}
	return cmd
}

// verify reads the files before the log, so that the log has whatever a record is of.
func (f *listFlags) verify(ctx context.Context, cmd *cobra.Command, names []string) (auditReport, error) {
	s, closeStore, err := f.store(ctx)
	if err != nil {
		return auditReport{}, err
	}
	defer closeStore()
	p, err := s.Read(ctx, revlog.Cursor{Limit: 1})
	if err != nil {
		return auditReport{}, noList(err)
	}
	c := newAuditCheck(p.Head.ID)
	for _, name := range names {
		if name == "-" {
			if err := c.read("-", cmd.InOrStdin()); err != nil {
				return auditReport{}, err
			}
			continue
		}
		file, err := os.Open(name)
		if err != nil {
			return auditReport{}, err
		}
		err = c.read(name, file)
		file.Close()
		if err != nil {
			return auditReport{}, err
		}
	}
	err = c.compare(ctx, s, p.Head.ID)
	return c.out, err
}
