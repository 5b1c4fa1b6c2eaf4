// Package httpmw keeps a web session in sealed cookies: any replica that has the key ring serves any
// request, and a session can still be revoked everywhere within seconds.
//
// Make one [Manager] with [New], wrap the whole application in [Manager.Handler], wrap what needs a login in
// [Manager.Require], and work with the [Session] that [Manager.From] finds in a request's context.
//
// # What a request costs
//
// A request without our cookies costs one scan of its Cookie header. A request with them is opened and
// decided upon in memory, before the handler runs; its data is decoded when asked for. Logging in, logging
// out and revoking talk to the store of the revocation list. Nothing else does, but for a session that was
// not seen for longer than the list's window: that is read once.
//
// # The cookies
//
// The session cookie is written only when the application changes the session. Renewal of the idle limit
// travels in a second, small cookie, "-seen", so a request that only read can never overwrite the data that another
// request wrote. Of two requests that both write data, the later response wins. No response sets both, and none sets
// one unless there was something to say.
//
// Without a login the session is anonymous, and its cookie is a third one, "-anon". The list cannot end such a session,
// so a slow response could bring it back. Therefore it counts only if it began after the last login and the last logout
// of its browser: a login does not depend on that cookie, and a logout leaves a marker of about 40 bytes in the session cookie
// until the browser closes.
//
// The zero [Config] is the safe one: names with the prefix "__Host-Http-", Secure, HttpOnly, SameSite=Lax,
// Path=/, gone when the browser closes. Weaker choices have names: [Config.Domain], [Config.InsecureHTTP].
//
// # When headers leave
//
// Cookies are written once, just before the first byte of the answer: at the first of Write, WriteString,
// ReadFrom, WriteHeader (101, 200 and above), Flush, Hijack, or when the handler returns. Informational
// answers such as 103 carry none of it. A change after that moment is refused with [ErrCommitted]. A handler
// that panics changes nothing, as long as whoever recovers from it stands outside of Handler.
//
// An answer that sets a cookie is marked "Cache-Control: no-store", and one whose handler looked at the session
// "Vary: Cookie", whether or not there was a session to see.
//
// For WebSocket libraries that write their own 101 after Hijack: pass them the map that Header returns, the
// cookies are in it by then.
//
// # Who is refused, and what if one cannot know
//
// [Manager.Handler] refuses nobody. It passes on what it found, and [Session.Err] says why there is no
// session: a cookie that does not open is no session, never an error page, and is not cleared.
// [Manager.Require] answers 401 without a login, and 503 with Retry-After when the list cannot say whether the
// session was revoked ([ErrUndecided]): this is never mixed up with "revoked". Set, Update and Login return
// that error too, rather than overwrite what may be a living session.
//
// # Beyond requests and answers
//
// [Session.Watch] ends a stream when its session ends. [Manager.Issue] makes bearer tokens for programs, which
// are revoked like any session, and [Manager.Check] decides them. [Manager.CheckCookies] decides the cookies of a browser that
// came over another transport.
//
// # How much fits
//
// One cookie holds about 2,100 bytes of JSON, less if subject and groups are long: its line is kept below 3,500
// bytes, because nginx with its default buffers answers 502 to not much more. [Config.MaxCookies] spreads more over
// several cookies, 2,800 bytes over two and 4,300 over three, and then nginx needs "proxy_buffer_size 16k" and
// "large_client_header_buffers 4 16k". Beyond that keep the data in a store, and its key in the session.
//
// # Cross-site requests
//
// SameSite=Lax is not a defence against request forgery. Put [http.CrossOriginProtection] in front:
//
//	handler := http.NewCrossOriginProtection().Handler(manager.Handler(mux))
//
// # Concurrency
//
// A Manager may be used by any number of goroutines, and so may a Session. Calls that change a session
// exclude each other; after the headers have left they return [ErrCommitted].
package httpmw
