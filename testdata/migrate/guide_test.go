package migrate

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
)

// From here on, to the next comment like this one, it is what docs/from-scs.md shows.

// Prefs is the data of a session from now on: everything that scs kept under keys, except the user.
type Prefs struct {
	Theme   string   `json:"theme,omitempty"`
	Flashes []string `json:"flashes,omitempty"`
}

// scsSessions has the methods of *scs.SessionManager that moving needs.
type scsSessions interface {
	LoadAndSave(next http.Handler) http.Handler
	Token(ctx context.Context) string
	Deadline(ctx context.Context) time.Time
	GetString(ctx context.Context, key string) string
	Destroy(ctx context.Context) error
}

// moveFromSCS continues the sessions that scs knows. lifetime is its Lifetime. Until oldUntil replicas of the old version may run, and the old
// session has the last word.
func moveFromSCS(scs scsSessions, lifetime time.Duration, oldUntil time.Time, m *httpmw.Manager[Prefs], a *adopt.Adopter[Prefs], next http.Handler) http.Handler {
	move := func(w http.ResponseWriter, r *http.Request) {
		ctx, now := r.Context(), time.Now()
		s, user := m.From(ctx), scs.GetString(ctx, "userID")
		if now.Before(oldUntil) && s.InGroup(adopt.Group(a.System)) && user != s.Subject() {
			_ = s.Logout(ctx) // as on the old replica; refused here at once, even if the store does not answer
		}
		var err error
		switch {
		case user == "", errors.Is(s.Err(), httpmw.ErrUndecided):
		case s.LoggedIn() && now.After(oldUntil.Add(time.Minute)): // the clocks of replicas differ
			err = scs.Destroy(ctx)
		default: // for a session that is logged in, Adopt only notes what a logout has to end
			past := adopt.Predecessor{
				Credential: []byte(scs.Token(ctx)),
				Saved:      scs.Deadline(ctx).Add(-lifetime), // when RenewToken was called last
			}
			err = a.Adopt(ctx, s, past, httpmw.Identity{Subject: user}, Prefs{Theme: scs.GetString(ctx, "theme")})
		}
		switch {
		case errors.Is(err, httpmw.ErrUndecided): // try again
			w.Header().Set("Retry-After", "2")
			http.Error(w, "the session cannot be moved now", http.StatusServiceUnavailable)
			return
		case errors.Is(err, httpmw.ErrRevoked): // end the old session, too
			_ = errors.Join(s.Logout(ctx), scs.Destroy(ctx))
		}
		next.ServeHTTP(w, r)
	}
	return http.NewCrossOriginProtection().Handler(scs.LoadAndSave(m.Handler(http.HandlerFunc(move))))
}

// logoutBoth is the logout while sessions are moved: the old session ends with the new one.
func logoutBoth(scs scsSessions, m *httpmw.Manager[Prefs]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := errors.Join(m.From(r.Context()).Logout(r.Context()), scs.Destroy(r.Context())); err != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	}
}

// So far.

var _ scsSessions = (*scs.SessionManager)(nil)

// The guide shows the code that runs here with the library itself.
func TestTheGuideShowsThisCode(t *testing.T) {
	guide, err := os.ReadFile("../../docs/from-scs.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("guide_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "docs/from-scs.md shows.\n\n")
	shown, _, _ := strings.Cut(rest, "// So far.")
	pieces := strings.Split(strings.TrimSpace(shown), "\n}\n\n")
	if len(pieces) < 4 {
		t.Fatalf("only %d pieces", len(pieces))
	}
	for _, piece := range pieces {
		if !strings.Contains(string(guide), piece) {
			t.Errorf("docs/from-scs.md does not show\n%s", piece)
		}
	}
}
