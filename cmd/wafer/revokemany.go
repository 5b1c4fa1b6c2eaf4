package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// bulkTime is how long an application may take for very many revocations.
const bulkTime = 10 * time.Minute

// many revokes the ids in a file.
func (f *revokeFlags) many(cmd *cobra.Command) error {
	if f.before != "" {
		return usagef("--before goes with one id, not with a file")
	}
	ids, err := f.ids(cmd)
	if err != nil {
		return err
	}
	if f.dryRun {
		return f.previewMany(cmd, ids)
	}
	what := fmt.Sprintf("%s will be revoked, and it cannot be undone. Afterwards the store is asked once about every session there is.", counted(len(ids), f.scope.String()))
	if err := confirm(cmd, what, "Revoke them?"); err != nil {
		return err
	}
	var receipt adminapi.Receipt
	if f.admin.url != "" {
		c, err := f.admin.client()
		if err != nil {
			return err
		}
		var r adminapi.ManyReceipt
		if err := f.manyByAdmin(cmd.Context(), c, ids, &r); err != nil {
			return err
		}
		receipt = adminapi.Receipt{Position: r.Position, Changed: r.Changed, Effective: r.Effective, WorstCase: r.WorstCase, AsOf: r.AsOf}
	} else {
		receipt, err = f.manyDirect(cmd, ids, newProgress(cmd.ErrOrStderr(), len(ids)))
	}
	if err != nil {
		return err
	}
	return f.report(cmd.OutOrStdout(), receipt, revoked(fmt.Sprintf("Revoked %d", len(ids)), receipt))
}

func (f *revokeFlags) manyDirect(cmd *cobra.Command, ids []string, p *progress) (adminapi.Receipt, error) {
	l, err := f.open(cmd.Context(), time.Second, false)
	if err != nil {
		return adminapi.Receipt{}, err
	}
	defer l.Close()
	r, err := l.RevokeMany(f.by(cmd.Context()), func(yield func(revocation.Target) bool) {
		for _, id := range ids {
			if !yield(revocation.TargetOf(f.scope, id)) {
				return
			}
		}
	}, p.at)
	p.end()
	if err != nil || !f.wait {
		return adminapi.ReceiptOf(r), err
	}
	r, err = l.AwaitFleet(cmd.Context(), r, fleetWait, nil) // an error says that not all have confirmed
	receipt := adminapi.ReceiptOf(r)
	receipt.Fleet = adminapi.FleetOf(r, err == nil)
	return receipt, nil
}

// manyByAdmin sends all ids in one request, and reads the answer into to.
func (f *revokeFlags) manyByAdmin(ctx context.Context, c *adminClient, ids []string, to any) error {
	c.http.Timeout = bulkTime
	var body bytes.Buffer
	lines := json.NewEncoder(&body) // a line for each value
	if err := lines.Encode(adminapi.Many{Scope: f.scope.String(), Reason: f.reason, Actor: f.claimed(), DryRun: f.dryRun}); err != nil {
		return err
	}
	for _, id := range ids {
		if err := lines.Encode(id); err != nil {
			return err
		}
	}
	return c.post(ctx, "/revocations/many", "application/x-ndjson", body.Bytes(), to)
}

// ids reads one id a line, and skips empty lines.
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
			return nil, fmt.Errorf("line %d of %s is not the id of a %v; nothing was revoked", n, f.from, f.scope)
		}
		ids = append(ids, id)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s holds no id", f.from)
	}
	return ids, nil
}
