// Package backchannel ends sessions when the identity provider says so: it receives the logout tokens of OpenID Connect Back-Channel
// Logout 1.0.
//
// [New] makes the handler that the provider posts to. At login the application puts [Groups] of the ID token into Identity.Groups; that is
// all that ties a session to its provider, so nothing has to be looked up when the provider calls.
//
//	err := session.Login(ctx, httpmw.Identity{
//		Subject: user, Groups: backchannel.Groups(claims.Issuer, claims.SessionID, claims.Subject), Since: since,
//	})
//
// Identity.Since should be the list's Now from before the code was exchanged: a logout that arrives meanwhile is then not outlived.
//
// # What is ended
//
// A token with "sid" ends the sessions of that session at the provider, one with "sub" alone all sessions of that user. A token with both
// ends those of "sid", and those of the user that were logged in without a "sid" and so cannot be told apart. A revoked session is refused
// by every replica within revocation.Config.Within of the answer 200.
//
// # What is believed
//
// The token is a JWS in compact serialization, signed with one key of the provider's JWK Set by an algorithm that is in [Config] and fits that
// key. Its type is logout+jwt; iss, aud, iat, exp, jti, events, sid and sub are checked as in section 2.6; nonce must be absent. What can be
// checked without a key is checked first, so that nobody without a plausible token makes this process ask the provider for keys.
//
// # Answers
//
// 200 once the store of the list has acknowledged; also for a token that was acknowledged before, which then does nothing, so that
// a delivery can be repeated. 400 for a request or a token that is not good; which it was is in the log and in [Stats], not in the answer. 503
// with Retry-After if the list did not acknowledge or the provider's keys could not be had: the specification has 400 for all failures, but
// this one is over soon and the same token may be sent again. All answers are marked no-store.
//
// # The provider's keys
//
// They are fetched when first needed, again after a quarter of an hour, and when a key is named that is not among them, then at most once in ten
// seconds. While the provider does not answer, the keys of before are used for a day at most. A provider that is down keeps nobody from starting.
package backchannel
