// Package keys keeps the secrets that seal sessions: a [Ring] of keys with their
// lives, and sources that bring every replica the same ring.
//
// [OpenFile] reads an encrypted ring from a file and follows its changes. A ring
// itself never changes: [Ring.Rotate], [Ring.Revoke] and [Ring.Prune] return a new
// one, and an [Editor] puts it in the place of the old.
//
// # The life of a key
//
// A key is pending until its nbf comes, so that every replica has it before
// anyone seals with it. Then it is sealing until a newer one takes over, opening
// for as long as a session it sealed may live, and expired after that. Rotating
// therefore logs nobody out. A key that fell into other hands is revoked: what it
// sealed is refused from then on.
//
// # Copies of a ring
//
// Replicas read, keep and write copies of one ring, and any of them may be old.
// [Ring.Merge] is the union of two copies: it adds keys and revocations and never
// takes any away. So a file put back from a backup takes nothing from a process that
// has the ring in memory, and that process writes back what the file lacks with its
// next edit. A process that starts with an old copy knows no better: to it a key that
// was revoked since is good. The revocation list then refuses what that key sealed, if
// the key was revoked there too, as "wafer keys revoke" and the admin API do.
//
// # The document
//
// A ring is written as a JWK Set (RFC 7517) with members of its own:
//
//	{"ring":"5v0ryE3PuSOzAhjRTBEdYA","iat":1767225600,"max_session":86400,
//	 "list_key":"...43 characters...",
//	 "keys":[{"kty":"oct","alg":"A256GCM","kid":"Qm9vaDEyMzQ","k":"...43 characters...",
//	          "iat":1767225600,"nbf":1767225600,"exp":1769990400,"revoked":1767312000}]}
//
// ring names it, iat says when it was made, max_session is the longest life of a
// session in seconds, and list_key is the secret the revocation list hides ids
// with; the list key outlives every other key. Times are whole seconds since 1970.
// A key without exp opens until a newer one takes over. A key has a max_session of its
// own if the ring was extended after the key had stopped sealing. Members may come in any
// order; unknown ones, duplicates, other spellings and weak keys are refused,
// because a ring that is understood in part would be written back in part.
//
// At rest the document is the plaintext of a compact JWE (RFC 7517 §7), direct
// A256GCM under a key encryption key, see [KEK].
//
// # Secrets do not print
//
// Whatever the verb of fmt, the handler of slog or the encoder, a [Ring], a [Key],
// a [KEK] or a [File] shows names and times only. Key bytes leave through
// [Ring.PlaintextJWKSet] alone.
package keys
