package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation"
)

// preview says what a revocation would do, and does nothing.
func (f *revokeFlags) preview(cmd *cobra.Command, id string, w adminapi.Way) error {
	var p adminapi.Preview
	err := f.ask(cmd.Context(), func(c *adminClient) error {
		return c.call(cmd.Context(), "/revocations", f.asked(id), &p)
	}, func(ctx context.Context, l *revocation.List) (err error) {
		signedIn, err := l.SignedIn(ctx)
		if err == nil {
			p, err = adminapi.PreviewOf(ctx, l, revocation.TargetOf(f.scope, id), w, adminapi.SignedInOf(signedIn))
		}
		return err
	})
	return f.printPreview(cmd, p, p.Summary, err)
}

// previewMany is preview for the ids of a file.
func (f *revokeFlags) previewMany(cmd *cobra.Command, ids []string) error {
	var p adminapi.ManyPreview
	err := f.ask(cmd.Context(), func(c *adminClient) error {
		return f.manyByAdmin(cmd.Context(), c, ids, &p)
	}, func(_ context.Context, l *revocation.List) (err error) {
		for i, id := range ids {
			if err := revocation.TargetOf(f.scope, id).Check(); err != nil {
				return fmt.Errorf("id %d of %s: %w", i+1, f.from, err)
			}
		}
		p, err = adminapi.ManyPreviewOf(l, f.scope, len(ids))
		return err
	})
	return f.printPreview(cmd, p, p.Summary, err)
}

// ask asks the admin API, or the list itself.
func (f *revokeFlags) ask(ctx context.Context, api func(*adminClient) error, list func(context.Context, *revocation.List) error) error {
	if f.admin.url != "" {
		c, err := f.admin.client()
		if err != nil {
			return err
		}
		return api(c)
	}
	l, err := f.open(ctx, time.Second, false)
	if err != nil {
		return err
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	return list(ctx, l.List)
}

func (f *revokeFlags) printPreview(cmd *cobra.Command, document any, summary string, err error) error {
	switch {
	case err != nil:
		return err
	case *f.json:
		return printJSON(cmd.OutOrStdout(), document)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), safe(summary), "Nothing was done.")
	return err
}
