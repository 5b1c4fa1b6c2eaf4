package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func doctorCommand() *cobra.Command {
	var f doctor
	cmd := &cobra.Command{
		Use:   "doctor [--redis URL] [--url URL]",
		Short: "Check a Redis with a list of revocations, and the cookies of a live site",
		Long: `With --redis, checks a Redis as an application does when it opens its list. It
also checks the replicas of that Redis, the other servers of a Cluster, and the
list. It writes, reads back and deletes a key of its own. With --file, or with
WAFER_KEK and a ring in this Redis, it also says whether the list belongs to that
ring, and whether every replica of the application has the keys of it.

With --url, checks a live site from outside: the cookies of a session, with prefix,
attributes and size; https and HSTS; and whether caches may keep what is one user's.
--url must answer with the cookies, so it usually is the page that logs in, and
--form-file has its form. With --page, it also checks that the site accepts the
cookies that it set. It asks only these two pages, and follows no redirect.

The levels are ok, warning (it will not always work), failing (it does not work
now) and refused (it keeps the application from starting). Below each finding
stands what to do about it. The exit status is 1 if something fails or is refused.`,
		Example: `  wafer doctor --redis redis://localhost:6379
  wafer doctor --url https://shop.example/login --form-file form --page https://shop.example/account`,
		Args: cobra.NoArgs,
	}
	f.list.addRedis(cmd)
	f.list.ring.add(cmd)
	f.site.add(cmd)
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		findings, err := f.examine(cmd)
		if err != nil {
			return err
		}
		return printFindings(cmd, findings, *asJSON)
	}
	return cmd
}

type doctor struct {
	list listFlags
	site siteFlags
}

func (f *doctor) examine(cmd *cobra.Command) (all []redisstore.Finding, _ error) {
	switch {
	case f.site.url == "" && f.site != (siteFlags{}):
		return nil, usagef("which site? Give --url URL")
	case f.site.url == "" && f.list.redis == "":
		return nil, usagef("which Redis, or which site? Give --redis URL, --url URL or both")
	}
	// With --url, WAFER_REDIS alone does not ask for a check of that Redis.
	ofList := f.site.url == "" || cmd.Flags().Changed("redis")
	ctx, cancel := context.WithTimeout(cmd.Context(), 2*openTime)
	defer cancel()
	if ofList {
		findings, err := f.list.examine(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, findings...)
	}
	if f.site.url != "" {
		s, err := f.site.site()
		if err != nil {
			return nil, err
		}
		findings, err := s.examine(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, findings...)
	}
	return all, nil
}

// examine checks the Redis, and the list in it.
func (f *listFlags) examine(ctx context.Context) ([]redisstore.Finding, error) {
	o, err := redisstore.ParseURL(f.redis)
	if err != nil {
		return nil, usageError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	findings, err := redisstore.Examine(ctx, o, f.config())
	if err != nil {
		return nil, withoutTLS(o.TLSConfig, o.Addrs, err)
	}
	if !hasRefused(findings) {
		findings = append(findings, f.examineList(ctx)...)
	}
	return findings, nil
}

func hasRefused(findings []redisstore.Finding) bool {
	for _, x := range findings {
		if x.Level == redisstore.Refused {
			return true
		}
	}
	return false
}

const beginAnew = "see what is wrong with 'wafer revocations inspect', and begin a new list with 'wafer revocations reset'"

// examineList checks the end of the list, as a replica does when it starts, its ring, and the replicas
// that read it.
func (f *listFlags) examineList(ctx context.Context) (out []redisstore.Finding) {
	found := func(l redisstore.Level, check, message, fix string) {
		out = append(out, redisstore.Finding{Level: l, Check: check, Message: message, Fix: fix})
	}
	s, closeStore, err := f.store(ctx)
	if err != nil {
		found(redisstore.Failing, "list", err.Error(), "try again")
		return out
	}
	defer closeStore()
	ring, err := f.ringIfGiven(ctx)
	if err != nil {
		found(redisstore.Failing, "ring", "the ring cannot be read: "+err.Error(), "give the key encryption key of the application")
	}
	i, err := inspect(ctx, s, ring, func(h revlog.Head) int64 { return h.MS - bootWindow.Milliseconds() })
	switch {
	case errors.Is(err, errNoList):
		found(redisstore.Good, "list", "there is no list yet; the first application begins one", "")
		return out
	case err != nil:
		found(redisstore.Failing, "list", "the list cannot be read: "+err.Error(), beginAnew)
		return out
	case len(i.Problems) > 0:
		found(redisstore.Failing, "list", "replicas cannot follow it: "+strings.Join(i.Problems, "; "), beginAnew)
	default:
		found(redisstore.Good, "list", fmt.Sprintf("replicas can follow it; position %v, complete from %s", i.Head.Position(), utc(instant(i.Head.Born))), "")
	}
	switch {
	case i.OtherRing:
		found(redisstore.Failing, "ring", "the list belongs to another ring: applications with this one cannot join it", beginAnew)
	case ring != nil:
		found(redisstore.Good, "ring", "the list belongs to the ring", "")
	}
	if i.OtherRing {
		ring = nil
	}
	return append(out, examineReaders(ctx, s.(revlog.Registrar), ring)...)
}

// findingJSON is a finding as --json prints it.
type findingJSON struct {
	Level   string `json:"level"`
	Check   string `json:"check"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

func printFindings(cmd *cobra.Command, findings []redisstore.Finding, asJSON bool) error {
	refused, failing := 0, 0
	rows, all := [][]cell{}, []findingJSON{}
	for _, x := range findings {
		colour := green
		switch x.Level {
		case redisstore.Refused:
			colour = red
			refused++
		case redisstore.Failing:
			colour = red
			failing++
		case redisstore.Warning:
			colour = yellow
		}
		rows = append(rows, []cell{{x.Level.String(), colour}, {x.Check, ""}, {safe(x.Message), ""}})
		if x.Fix != "" {
			rows = append(rows, []cell{{"", ""}, {"", ""}, {"→ " + safe(x.Fix), bold}})
		}
		all = append(all, findingJSON{x.Level.String(), x.Check, x.Message, x.Fix})
	}
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), map[string]any{"findings": all}); err != nil {
			return err
		}
	} else {
		table(cmd.OutOrStdout(), "", rows)
	}
	switch {
	case refused == 1:
		return errors.New("one finding keeps applications from starting")
	case refused > 1:
		return fmt.Errorf("%d findings keep applications from starting", refused)
	case failing == 1:
		return errors.New("one check fails")
	case failing > 1:
		return fmt.Errorf("%d checks fail", failing)
	}
	return nil
}
