package metrics

import "github.com/wafer-sessions/wafer/revocation/revlog"

// Metrics of how many are signed in. Each replica has the numbers of all.
var (
	signedInSessions = gauge("signed_in.sessions", "{session}", "About how many sessions all replicas accepted within the longest idle limit; each replica has the number of all.")
	signedInSubjects = gauge("signed_in.subjects", "{subject}", "About how many subjects those sessions have.")
	activeSessions   = gauge("signed_in.active_sessions", "{session}", "About how many sessions all replicas accepted in the last 5 to 10 minutes; each replica has the number of all.")
	activeSubjects   = gauge("signed_in.active_subjects", "{subject}", "About how many subjects those sessions have.")
	signedInWindow   = gauge("signed_in.window", seconds, "How far back the number of signed in sessions reaches; 0 while this replica has accepted no session.")
	signedInAt       = gauge("signed_in.at", seconds, "When this replica last heard from the store what the others counted, in Unix time; 0 if it has not.")
)

var ofSignedIn = []*Metric{signedInSessions, signedInSubjects, activeSessions, activeSubjects, signedInWindow, signedInAt}

func collectSignedIn(s Sink, n revlog.SignedIn) {
	s.Number(signedInSessions, float64(n.Sessions))
	s.Number(signedInSubjects, float64(n.Subjects))
	s.Number(activeSessions, float64(n.ActiveSessions))
	s.Number(activeSubjects, float64(n.ActiveSubjects))
	s.Number(signedInWindow, n.Window.Seconds())
	s.Number(signedInAt, unix(n.At))
}
