// Package keys keeps the secrets that seal sessions. A [Ring] holds keys and the times of their
// lives. A [Source] brings every replica the same ring.
//
// Most programs need [OpenFile], which reads an encrypted ring from a file and follows its changes,
// and a [KEK] to decrypt it, such as [KEKFile]. A Ring itself never changes: [Ring.Rotate],
// [Ring.Revoke] and [Ring.Prune] return a new one, and [File.Edit] puts it in place of the old one.
// [CreateFile], [RewrapFile], [Rewrap], [KEK.Reseal], [KEK.Once], [Parse], [Ring.Merge],
// [Ring.PlaintextJWKSet] and [Key.AEAD] are for tools and for sources of other kinds.
//
// # The life of a key
//
// A key is pending until its nbf, so that every replica has it before any replica seals with it.
// Then it is sealing until a newer key takes over, opening for as long as a session that it sealed
// may live, and expired after that. So rotation logs nobody out. Revoke a key that may have leaked:
// every session it sealed is refused from then on.
//
// While a key is pending, [Ring.Cancel] takes it back, and the key before it goes on. The cancelled
// key is then revoked, since before its nbf, and takes over from no key. It stays in the ring until
// a later key has taken over and every older key has expired.
//
// With RotateEvery of [FileConfig] or of rediskeys.Config, the ring rotates by itself, every day
// with [Daily]. Of all replicas, one makes the new key. [Ring.RotateIfOlder] does so for a timer
// elsewhere, and a [Rotator] for a source of another kind.
//
// # Copies of a ring
//
// Replicas read, keep and write copies of one ring, and any copy may be old. [Ring.Merge] returns
// the union of two copies: it adds keys and revocations and never removes any. So a file restored
// from a backup takes nothing from a process that has the ring in memory, and the next edit of that
// process writes back what the file lacks. A process that starts with an old copy cannot know
// better: it accepts a key that was revoked since. The revocation list then refuses the sessions of
// that key, if the key was revoked there too, as "wafer keys revoke" and the admin API do.
//
// # The document
//
// A ring is written as a JWK Set (RFC 7517) with additional members:
//
//	{"ring":"5v0ryE3PuSOzAhjRTBEdYA","iat":1767225600,"max_session":86400,
//	 "list_key":"...43 characters...",
//	 "keys":[{"kty":"oct","alg":"A256GCM","kid":"Qm9vaDEyMzQ","k":"...43 characters...",
//	          "iat":1767225600,"nbf":1767225600,"exp":1769990400,"revoked":1767312000}]}
//
// ring is the id of the ring, iat is when it was made, max_session is the longest life of a session
// in seconds, and list_key is the secret that the revocation list hides ids with. The list key
// outlives every other key. Times are whole seconds since 1970. A key without exp opens until a
// newer key takes over and its sessions have ended. Wafer writes exp for other readers only; it
// follows from the newer key. A key has a max_session of its own if the ring
// was extended after the key had stopped sealing. Members may come in any order. Unknown and
// repeated members, other spellings and weak keys are refused: a ring that was understood in part
// would be written back in part.
//
// At rest, the document is the plaintext of a compact JWE (RFC 7517 §7), direct A256GCM under a key
// encryption key; see [KEK].
//
// # Secrets do not print
//
// With every verb of fmt, handler of slog and encoder, a [Ring], a [Key], a [KEK] and a [File] show
// names and times only. Key bytes leave the package only through [Ring.PlaintextJWKSet].
package keys
