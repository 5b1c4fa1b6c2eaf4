// Package backchannel ends sessions when the identity provider says so. It receives the logout
// tokens of OpenID Connect Back-Channel Logout 1.0.
//
// [New] makes the handler that the provider posts to. At login, the application puts the [Groups]
// of the ID token into Identity.Groups. Nothing else ties a session to its provider, so nothing has
// to be looked up when the provider calls.
//
//	err := session.Login(ctx, httpmw.Identity{
//		Subject: user,
//		Groups:  backchannel.Groups(claims.Issuer, claims.SessionID, claims.Subject),
//		Since:   since,
//	})
//
// Identity.Since should be the Now of the list (or of the Manager) from before the code was
// exchanged, so that a session does not survive a logout that arrives meanwhile.
//
// # What a token ends
//
// A token with "sid" ends the sessions of that session at the provider. A token with only "sub"
// ends all sessions of that user. A token with both ends those of "sid", and those of the user that
// were logged in without a "sid" and so cannot be told apart. Every replica refuses a revoked
// session within revocation.Config.Within of the answer 200.
//
// # Which tokens are accepted
//
// The token is a JWS in compact serialization, signed with one key of the provider's JWK Set, by an
// algorithm that is in [Config] and fits that key. Its type is logout+jwt; iss, aud, iat, exp, jti,
// events, sid and sub are checked as in section 2.6; nonce must be absent. Everything that needs no
// key is checked first, so that only a sender with a plausible token can make this process ask the
// provider for keys.
//
// # Answers
//
// 200 means that the store of the list has acknowledged the logout. A token that was acknowledged
// before is answered with 200 too and does nothing more, so a delivery can be repeated. 400 means
// that the request or the token is invalid; the log and [Stats] say why, the answer does not. 503
// with Retry-After means that the list did not acknowledge, or that the provider's keys were not
// available. The specification has 400 for all failures, but this one is temporary and the same
// token may be sent again. All answers are marked no-store.
//
// # The provider's keys
//
// The keys are fetched when first needed, again after a quarter of an hour, and when a token names
// an unknown key, but at most once in ten seconds. While the provider does not answer, the previous
// keys are used for up to a day. A provider that is down does not prevent the application from
// starting.
package backchannel
