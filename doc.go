// Package wafer is the overview of Wafer: cookie sessions for net/http that can be revoked. The
// session travels encrypted in the visitor's cookie, so any replica serves any request without a
// session store. Signing out, signing out everywhere and locking an account still take effect on
// every replica within two seconds.
//
// This package contains no code. The packages are
//
//   - [github.com/wafer-sessions/wafer/httpmw], the middleware: Manager, Session, Login, Logout.
//     Begin there.
//   - [github.com/wafer-sessions/wafer/revocation], the list of revocations: Open, Revoke. Its
//     stores are revocation/boltstore, one file for one process, and revocation/redisstore.
//   - [github.com/wafer-sessions/wafer/keys], the key ring that seals sessions, and keys/rediskeys,
//     which shares it through Redis.
//   - [github.com/wafer-sessions/wafer/token], the tokens themselves. docs/format.md describes them
//     for other implementations.
//   - httpmw/admin (an API for operators), httpmw/admin/console (a page over it), httpmw/prom and
//     httpmw/otel (metrics), httpmw/devices ("your devices", and a limit), httpmw/backchannel (logout
//     by an OpenID provider), httpmw/adopt and httpmw/gorilla (moving sessions from other systems), and
//     httpmw/wafertest (for your own tests).
//   - cmd/wafer, the command: keys, revocations, a check of Redis, and a demo.
//
// The README has a complete program, docs/concepts.md explains the idea in two minutes, and
// SECURITY.md states the promises and what they do not cover.
package wafer
