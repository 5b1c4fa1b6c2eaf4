// Package redisstore keeps a revocation list in Redis 7.0 or later, or Valkey: one server, a
// primary with Sentinel, or a Cluster.
//
// [Open] connects, refuses servers that would forget revocations, and returns a revlog.Store. Redis
// holds only revocations, as pseudonyms. It never holds live sessions or ids. [Examine] reports on
// a server in detail.
//
// # Keys
//
// All keys of a list carry the hash tag {<prefix>}. So they share one slot of a Cluster, and every
// step is one script on one server. The keys are head (hash), log (stream), globals (hash),
// x:<epoch>:<n> (sessions, in small hashes), u:<tag> and g:<tag> (subjects and groups), replicas
// and r:<id> (the replicas that read the list).
//
// # Faults
//
// Every script first checks that the server holds the right list. If the server lost data, a call
// returns ErrLost or ErrOtherList, or the log does not continue, and revocation.List repairs the
// list. A write that timed out may be sent again; the second one changes nothing.
package redisstore
