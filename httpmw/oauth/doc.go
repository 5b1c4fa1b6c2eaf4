// Package oauth answers other programs that ask whether a token is good (RFC 7662, introspection), and
// ends the session of a token for them (RFC 7009, revocation): API gateways, services behind the
// application, and clients that sign out.
//
// [New] makes both endpoints for the tokens of one Manager:
//
//	mux.HandleFunc("/oauth/revoke", endpoints.Revoke)
//	mux.HandleFunc("/oauth/introspect", endpoints.Introspect)
//
// Only POST is allowed, with an application/x-www-form-urlencoded body of at most 24 KB. The caller
// authenticates, see [Config]. The parameter "token" holds a bearer token from Manager.Issue, or, with
// [Config.Cookies], the values of a browser's cookies: that of the session cookie and those of the
// renewal cookie and of further cookies of a large session, joined by "~". "token_type_hint" and other
// parameters are ignored, because a token says itself what it is.
//
// # Introspection
//
// The answer is what the application itself would decide about the token, at this replica and at this
// moment. A session that was revoked is inactive at this replica at once, and at every replica within
// revocation.Config.Within. An active token is described by
//
//	active      true
//	token_type  "Bearer", or "N_A" (RFC 8693) for cookies
//	aud         httpmw.Config.App
//	exp         when the session ends if it is not used again; asking does not renew it
//	auth_time   when the subject logged in (RFC 9470)
//	amr         how the subject was authenticated (RFC 8176), if the login said so
//	sub, sid    the subject and the id of the session, with Config.Identify
//
// Everything else is {"active":false}, and says no more (RFC 7662 section 2.2): a token that is
// expired, revoked, damaged or of another application, and a session in which nobody is logged in.
// There is no "iat", because the time at which a cookie was last sealed tells nothing; no "scope",
// because a session holds only pseudonyms of its groups; and no "iss" and "client_id", because the
// application issued the token to no client.
//
// A caller that found the token in an Authorization header must require token_type "Bearer": a cookie
// is not a bearer token.
//
// If the list cannot say now whether the session is revoked, the answer is 503. "active":false would
// sign out people whose sessions are good, and callers keep that answer. "active":true would let a
// revoked session in. With [Config.FreshList] a replica that is cut off answers 503 also about
// sessions that it can check from memory.
//
// # Revocation
//
// 200 means that the store of the list has the revocation, or that this application accepts no such
// token (RFC 7009 section 2.2): it is damaged, of another application, or of a key that is revoked or
// not in the ring. A revocation ends the whole session: every copy of its cookies.
//
// 503 means that the store has not acknowledged it: this replica refuses the session already and keeps
// trying, but other replicas may not know of it, so the caller sends the same request again after
// Retry-After.
//
// Each revocation has an audit record, which names the caller as "client:" and its id (package audit).
//
// # Errors
//
// They are those of RFC 6749 section 5.2 and RFC 7009 section 2.2.1, as a JSON object of "error" and
// "error_description". Every answer is marked no-store.
//
// If the ring lacks the key of a token, the ring is read again where it is kept, which takes a second
// or two. At most 64 requests wait for that at once; any more are answered with 503.
//
//	invalid_request          400  not one form with one "token", a parameter came twice, or there is a
//	                              "client_secret" or "client_assertion" beside the authentication
//	invalid_request          403  a browser sent the request for a page of another origin
//	invalid_request          405  the method is not POST
//	invalid_request          413  the body is too long
//	invalid_client           401  the caller is not authenticated
//	unsupported_token_type   400  revocation of cookies without Config.Cookies, of a renewal cookie alone,
//	                              and of an anonymous session
//	temporarily_unavailable  503  the list or the key ring cannot decide now; comes with Retry-After
package oauth
