package metrics

import "github.com/wafer-sessions/wafer/httpmw"

// Metrics of requests and sessions, by application.
var (
	anonymous  = counter("requests.anonymous", "{request}", "Requests without a session cookie, or with only the marker of a logout.", "app")
	accepted   = counter("sessions.accepted", "{session}", "Sessions accepted, one for each request.", "app")
	refused    = counter("sessions.refused", "{session}", "Session cookies that were refused or could not be decided, one for each request.", "app", "reason")
	logins     = counter("logins", "{login}", "Sessions that a login began, bearer tokens among them.", "app")
	logouts    = counter("logouts", "{logout}", "Logouts that the store acknowledged, by kind.", "app", "kind")
	unlogged   = counter("logouts_failed", "{logout}", "Logouts that the store had not acknowledged when they were answered.", "app")
	ended      = histogramOf("session.duration", seconds, "How long sessions had lasted when they ended, by why; a session that is never seen again is not counted.", 6, 26, 2, "app", "reason")
	cookies    = counter("cookies.sent", "{cookie}", "Cookies sent, by kind: session (changed data), seen (renewal), expired (logout).", "app", "kind")
	withheld   = counter("cookies.withheld", "{cookie}", "Cookies not sent because the session was revoked during the request.", "app")
	sizes      = histogramOf("token.size", bytes, "Bytes of the tokens sent, with the names of their cookies.", 7, 15, 1, "app", "kind")
	shared     = counter("renewals.shared", "{renewal}", "Renewals that reused the token of an earlier request.", "app")
	unsealed   = counter("renewals.unsealed", "{renewal}", "Renewals due that no key could seal.", "app")
	unsealable = counter("seals.refused", "{token}", "Tokens not sealed because of the ring's sealing key, by reason.", "app", "reason")
	early      = counter("seals.early", "{token}", "Tokens sealed with a key whose time has not come: the clock of this machine is behind.", "app")
	keySeals   = counter("key.seals", "{token}", "Tokens that this application sealed in this process, by key.", "app", "kid")
	lookups    = counter("key.lookups", "{lookup}", "Lookups of an unknown key.", "app")
	reloads    = counter("reloads", "{session}", "Sessions whose data was to be loaded again, by result: loaded, or failed, which the client got as 503.", "app", "result")
	retagged   = counter("subject_tags.corrected", "{session}", "Sessions whose subject tag was wrong and was corrected.", "app")
	tabStreams = gauge("tab.streams", "{stream}", "Streams that pages have open to hear of the end of their session.", "app")
	tabRefused = counter("tab.streams_refused", "{stream}", "Streams of pages that were refused because too many were open.", "app")
	open       = histogramOf("open", seconds, "Time from a request to its accepted session, one in 64 of them.", -18, 0, 2, "app")
	commit     = histogramOf("commit", seconds, "Time to decide again and to add cookies to a response, of responses that changed or renewed a session.", -18, 0, 2, "app")
)

var ofApps = []*Metric{
	anonymous, accepted, refused, logins, logouts, unlogged, ended, cookies, withheld, sizes, shared, unsealed,
	unsealable, early, keySeals, lookups, retagged, reloads, tabStreams, tabRefused, open, commit,
}

func collectApp(s Sink, app string, n httpmw.Stats) {
	s.Number(anonymous, float64(n.Anonymous), app)
	s.Number(accepted, float64(n.Accepted), app)
	counts(s, refused, n.Refused, nil, app) // all reasons are there
	s.Number(logins, float64(n.Logins), app)
	counts(s, logouts, n.Logouts, nil, app)
	s.Number(unlogged, float64(n.LogoutsFailed), app)
	for reason, ages := range n.Ended {
		s.Histogram(ended, ages, app, reason)
	}
	s.Number(cookies, float64(n.Written), app, "session")
	s.Number(cookies, float64(n.Renewed), app, "seen")
	s.Number(cookies, float64(n.Expired), app, "expired")
	s.Number(withheld, float64(n.Withheld), app)
	for kind, bytes := range n.Sizes {
		s.Histogram(sizes, bytes, app, kind)
	}
	s.Number(shared, float64(n.Shared), app)
	s.Number(unsealed, float64(n.Unsealed), app)
	s.Number(unsealable, float64(n.Unsealable), app, "revoked_key")
	s.Number(unsealable, float64(n.Spared), app, "renewals_stopped")
	s.Number(unsealable, float64(n.Spent), app, "spent")
	s.Number(early, float64(n.Early), app)
	for kid, seals := range n.Seals {
		s.Number(keySeals, float64(seals), app, kid)
	}
	s.Number(lookups, float64(n.Lookups), app)
	s.Number(retagged, float64(n.Retagged), app)
	s.Number(reloads, float64(n.Reloaded), app, "loaded")
	s.Number(reloads, float64(n.ReloadsFailed), app, "failed")
	s.Number(tabStreams, float64(n.Streams), app)
	s.Number(tabRefused, float64(n.StreamsRefused), app)
	s.Histogram(open, n.Open, app)
	s.Histogram(commit, n.Commit, app)
}
