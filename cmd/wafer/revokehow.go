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
		flags.Var(&f.over, "over", "end the sessions one after another, evenly over this `DURATION`,\nsuch as 1h, so that not everybody logs in at once; at most 1d,\nand at most the longest idle limit of the application")
	}
}

func (f *howFlags) soft() bool { return f.login || f.reload }

func (f *howFlags) way(cmd *cobra.Command, many bool) (w adminapi.Way, _ error) {
	w.Over = time.Duration(f.over)
	switch {
	case f.login && f.reload:
		return w, usagef("give one of --require-login and --reload: a login loads the data, too")
	case w.Over > 0 && given(cmd, "before"):
		return w, usagef("--over does not go with --before: the sessions that end are all that began until now")
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

// question is what is asked before it is done to everyone, after what [howFlags.everybody] says.
func (f *howFlags) question() string {
	switch {
	case f.login:
		return "Require a login of everyone?"
	case f.reload:
		return "Load the data of all sessions again?"
	case f.over > 0:
		return "Sign everybody out within " + span(time.Duration(f.over)) + "?"
	}
	return "Revoke everyone?"
}

// everybody says what will happen to all sessions, or to those that before, the flag, says.
func (f *howFlags) everybody(before string, now time.Time) string {
	which := "all sessions"
	switch {
	case before != "" && f.reload:
		which += " that loaded it at or before " + before
	case before != "":
		which += " that began at or before " + before
	}
	over := time.Duration(f.over)
	switch {
	case f.login:
		return fmt.Sprintf("This will lock %s until their users log in again. No session ends, and all keep their data.", which)
	case f.reload:
		return fmt.Sprintf("This will have the application load the data of %s again, each before its next request. No session ends.", which)
	case over > 0:
		return fmt.Sprintf("This will end %s one after another, evenly over %s, the last by about %s. Until its turn comes, a session works as before.",
			which, span(over), utc(now.Add(over)))
	}
	return fmt.Sprintf("This will end %s at once.", which)
}

// done says what was done, as sentences. before is the flag.
func (f *howFlags) done(s revlog.Scope, id, before string, r adminapi.Receipt) string {
	id = safe(id)
	switch {
	case f.login:
		return map[revlog.Scope]string{
			revlog.ScopeSession:  "The user of the session has to log in again; the session and its data stay.",
			revlog.ScopeSubject:  id + " has to log in again; the sessions and their data stay.",
			revlog.ScopeGroup:    "Everybody in " + id + " has to log in again; the sessions and their data stay.",
			revlog.ScopeEveryone: "Everybody has to log in again; all sessions and their data stay.",
		}[s] + already(r) + only("began", before)
	case f.reload:
		return map[revlog.Scope]string{
			revlog.ScopeSession:  "The data of the session is loaded again before its next request is served.",
			revlog.ScopeSubject:  "The data of the sessions of " + id + " is loaded again, each before its next request is served.",
			revlog.ScopeGroup:    "The data of the sessions of " + id + " is loaded again, each before its next request is served.",
			revlog.ScopeEveryone: "The data of all sessions is loaded again, each before its next request is served.",
		}[s] + already(r) + only("loaded it", before)
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

// only says which sessions --before leaves.
func only(what, before string) string {
	if before == "" {
		return ""
	}
	return fmt.Sprintf(" That is about sessions that %s at or before %s.", what, before)
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
