package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// howFlags say what happens to the sessions: without any of them, they end at once.
type howFlags struct {
	login, reload bool
	over          days
}

func (f *howFlags) add(cmd *cobra.Command, s revlog.Scope) {
	flags := cmd.Flags()
	flags.BoolVar(&f.login, "require-login", false, "end no session, but lock them until their users log in again;\nthe sessions keep their data")
	flags.BoolVar(&f.reload, "reload", false, "end no session, but have the application load their data again,\nas after a role changed")
	if s == revlog.ScopeGroup || s == revlog.ScopeEveryone {
		flags.Var(&f.over, "over", "end the sessions one after another, evenly over this `DURATION`,\nsuch as 1h (at most 1d), so that not everybody logs in at once")
	}
}

func (f *howFlags) soft() bool { return f.login || f.reload }

func (f *howFlags) way(cmd *cobra.Command, many bool) (w adminapi.Way, _ error) {
	w.Over = time.Duration(f.over)
	switch {
	case f.login && f.reload:
		return w, usagef("give one of --require-login and --reload: a login loads the data, too")
	case f.soft() && w.Over > 0:
		return w, usagef("--over is for sessions that end, and goes neither with --require-login nor with --reload")
	case many && (f.soft() || w.Over > 0):
		return w, usagef("--require-login, --reload and --over go with one id, not with a file")
	case w.Over > 0 && (w.Over < time.Millisecond || w.Over > revlog.MaxOver):
		return w, usagef("--over must be 1ms to 1d")
	case f.login:
		w.Effect = revlog.RequireLogin
	case f.reload:
		w.Effect = revlog.Reload
	}
	return w, nil
}

// asked puts into r what the flags say.
func (f *howFlags) asked(r *adminapi.Revocation) {
	switch {
	case f.login:
		r.Effect = revlog.RequireLogin.String()
	case f.reload:
		r.Effect = revlog.Reload.String()
	case f.over > 0:
		over := time.Duration(f.over).String()
		r.Over = &over
	}
}

// question is what is asked before it is done to everyone.
func (f *howFlags) question() string {
	switch {
	case f.login:
		return "Require a login of everyone?"
	case f.reload:
		return "Load the data of all sessions again?"
	}
	return "Revoke everyone?"
}

// everybody says whom it concerns, if it ends no session.
func (f *howFlags) everybody(s *adminapi.SignedIn) string {
	many := "How many people that is, is not known: no replica has counted."
	if s != nil {
		many = fmt.Sprintf("That is about %s, in about %s.", adminapi.About(s.Subjects, "person", "people"), adminapi.About(s.Sessions, "session", "sessions"))
	}
	if f.login {
		return "Everybody has to log in again, and it cannot be undone. All sessions and their data stay. " + many
	}
	return "The data of all sessions is loaded again, each at its next request, and it cannot be undone. " + many
}

// done says what was done, as sentences.
func (f *howFlags) done(s revlog.Scope, id string, r adminapi.Receipt) string {
	id = safe(id)
	switch {
	case f.login:
		return map[revlog.Scope]string{
			revlog.ScopeSession:  "The user of the session has to log in again; the session and its data stay.",
			revlog.ScopeSubject:  id + " has to log in again; the sessions and their data stay.",
			revlog.ScopeGroup:    "Everybody in " + id + " has to log in again; the sessions and their data stay.",
			revlog.ScopeEveryone: "Everybody has to log in again; all sessions and their data stay.",
		}[s] + already(r)
	case f.reload:
		return map[revlog.Scope]string{
			revlog.ScopeSession:  "The data of the session is loaded again before its next request is served.",
			revlog.ScopeSubject:  "The data of the sessions of " + id + " is loaded again, each before its next request is served.",
			revlog.ScopeGroup:    "The data of the sessions of " + id + " is loaded again, each before its next request is served.",
			revlog.ScopeEveryone: "The data of all sessions is loaded again, each before its next request is served.",
		}[s] + already(r)
	case f.over > 0:
		who := "Everybody"
		if s == revlog.ScopeGroup {
			who += " in " + id
		}
		by := ""
		if r.EndedBy != nil {
			by = " The last sessions end by " + utc(*r.EndedBy) + "."
		}
		return fmt.Sprintf("%s is signed out within the next %s, evenly.%s", who, span(time.Duration(f.over)), by)
	}
	return revoked("Revoked", r)
}

// already says that r changed nothing.
func already(r adminapi.Receipt) string {
	if r.Changed {
		return ""
	}
	return " That was so already."
}

// revoked says that sessions ended.
func revoked(what string, r adminapi.Receipt) string {
	if !r.Changed {
		what += " already"
	}
	return what + "."
}

// verb says what a replica does with the sessions.
func (f *howFlags) verb() string {
	switch {
	case f.login:
		return "locks them"
	case f.reload:
		return "loads it again"
	case f.over > 0:
		return "ends them in turn"
	}
	return "refuses"
}

// participle says what happens to a name.
func (f *howFlags) participle() string {
	if f.soft() {
		return "accepted"
	}
	return "revoked"
}
