// Package httpmw keeps web sessions in sealed cookies. Any replica that has the key ring serves any
// request, and a session can still be revoked on all replicas within seconds.
//
// Make one [Manager] with [New], wrap the whole application in [Manager.Handler], wrap routes that
// need a login in [Manager.Require], and use the [Session] that [Manager.From] finds in a request's
// context.
//
// # What a request costs
//
// A request without cookies of this package costs one scan of its Cookie header. Otherwise the
// session is opened and checked in memory before the handler runs, and its data is decoded when the
// handler asks for it. Only logins, logouts and revocations talk to the store of the revocation
// list. The one exception is a session whose last check is older than what the replica keeps in
// memory: the store is asked about it once.
//
// # The cookies
//
// The session cookie is written only when the application changes the session. Renewing the idle
// limit uses a second, small cookie, the renewal cookie, whose name ends in "-seen". So a request
// that only reads can never overwrite data that another request wrote. If two requests both write
// data, the later response wins. No response sets both cookies, and a response sets none unless
// there is a reason to.
//
// A session without a login is anonymous and has a third cookie, whose name ends in "-anon". The
// list cannot revoke such a session, so a slow response could bring it back. It therefore counts
// only if it began after the last login and the last logout of its browser. A login does not depend
// on that cookie, and a logout leaves a marker of about 40 bytes in the session cookie until the
// browser closes.
//
// The zero [Config] is the safe one: cookie names with the prefix "__Host-Http-", Secure, HttpOnly,
// SameSite=Lax, Path=/, and cookies that are gone when the browser closes. Weaker choices have
// names: [Config.Domain], [Config.InsecureHTTP].
//
// # When headers leave
//
// Cookies are written once, just before the first byte of the response: at the first Write,
// WriteString, ReadFrom, WriteHeader (101, or 200 and above), Flush or Hijack, or when the handler
// returns. Informational responses such as 103 carry no cookies. A later change of the session is
// refused with [ErrCommitted]. A handler that panics changes nothing, provided that the code that
// recovers is outside of Handler.
//
// A response that sets a cookie has "Cache-Control: no-store". A response whose handler looked at
// the session has "Vary: Cookie", whether or not there was a session.
//
// Some WebSocket libraries write the 101 themselves after Hijack. Pass them the map that Header
// returns; the cookies are in it by then.
//
// # Refused and undecided sessions
//
// [Manager.Handler] refuses no request. It passes on what it found, and [Session.Err] says why
// there is no session. A cookie that does not open means that there is no session; it never leads
// to an error page and is not cleared. [Manager.Require] answers 401 without a login. It answers
// 503 with Retry-After when the list cannot say whether the session was revoked ([ErrUndecided]),
// which is never treated as revoked. Set, Update and Login return that error too, rather than
// overwrite a session that may be alive.
//
// # Beyond requests and responses
//
// [Session.Watch] ends a stream when its session ends. [Manager.Tab] lets open pages notice that. [Manager.Issue] makes bearer tokens for
// programs, which are revoked like any session, and [Manager.Check] checks them.
// [Manager.CheckCookies] checks the cookies of a browser that came over another transport. Package
// oauth lets other programs ask about tokens, and revoke them. [Shutdown] takes a process out of
// service without losing a revocation.
//
// # How much fits
//
// One cookie holds about 2,100 bytes of JSON, less if subject and groups are long. Its Set-Cookie
// line is kept below 3,500 bytes, because nginx with its default buffers answers 502 to little
// more. [Config.MaxCookies] spreads larger data over several cookies, 2,800 bytes over two and
// 4,300 over three. nginx in front then needs larger buffers: docs/proxies.md has the lines. Keep
// more data than that in a database, and its key in the session.
//
// # Cross-site requests
//
// SameSite=Lax does not protect against request forgery. Put [http.CrossOriginProtection] in front:
//
//	handler := http.NewCrossOriginProtection().Handler(manager.Handler(mux))
//
// # Concurrency
//
// A Manager may be used by any number of goroutines, and so may a Session. Calls that change a
// session exclude each other. After the headers have left, they return [ErrCommitted].
package httpmw
