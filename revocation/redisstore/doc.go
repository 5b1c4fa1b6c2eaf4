// Package redisstore keeps a revocation list in Redis 7.0 or later, or Valkey:
// one server, a primary watched by Sentinel, or a Cluster.
//
// [Open] connects, refuses servers that would forget revocations, and returns a
// revlog.Store. Redis holds only what was revoked, as pseudonyms, never what
// is alive and never an id. [Examine] says in detail what it thinks of a server.
//
// # Keys
//
// All keys of a list carry the hash tag {<prefix>}, so that they share a slot of
// a Cluster and every step is one script on one server: head (hash), log
// (stream), globals (hash), x:<epoch>:<n> (sessions, in small hashes), u:<tag> and
// g:<tag> (subjects and groups), replicas and r:<id> (who reads the list).
//
// # Faults
//
// Every script checks that the list is the one it was written for before it does
// anything else. What the server lost shows as ErrLost or ErrOtherList, or as a log
// that does not continue, and revocation.List mends it. A write that timed out
// may be sent again; the second changes nothing.
package redisstore
