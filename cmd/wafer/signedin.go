package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
)

// signedIn returns about how many are signed in, nil if that is not known.
func (f *listFlags) signedIn(ctx context.Context) (*adminapi.SignedIn, error) {
	if f.admin.url != "" {
		c, err := f.admin.client()
		if err != nil {
			return nil, err
		}
		var s adminapi.Status
		err = c.call(ctx, "/status", nil, &s)
		return s.SignedIn, err
	}
	l, err := f.open(ctx, time.Second, false)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	s, err := l.SignedIn(ctx)
	return adminapi.SignedInOf(s), err
}

// everybody says what will happen to everyone, and to about how many. It asks the list only if somebody
// is there to read it.
func (f *revokeFlags) everybody(cmd *cobra.Command) (string, error) {
	if !asks(cmd) {
		return "", nil
	}
	s, err := f.signedIn(cmd.Context())
	if err != nil {
		return "", err // the revocation would fail, too
	}
	many := "How many people that is, is not known: no replica has counted."
	if s != nil {
		atMost := ""
		if f.before != "" {
			atMost = "at most "
		}
		many = fmt.Sprintf("That is %sabout %s, who were here in the last %s (about %s).",
			atMost, adminapi.About(s.Subjects, "person", "people"), span(seconds(s.Window)), adminapi.About(s.Sessions, "session", "sessions"))
	}
	return f.how.everybody(f.before, time.Now()) + " " + many + " It cannot be undone.", nil
}

func printSignedIn(w io.Writer, s *adminapi.SignedIn) {
	if s == nil {
		fmt.Fprintln(w, "Signed in not known: no replica has counted")
		return
	}
	fmt.Fprintf(w, "Signed in about %s in the last %s, in about %s; about %s in the last 10 min\n",
		adminapi.About(s.Subjects, "person", "people"), span(seconds(s.Window)), adminapi.About(s.Sessions, "session", "sessions"), adminapi.About(s.ActiveSubjects, "person", "people"))
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
