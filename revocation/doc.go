// Package revocation keeps the list of what was revoked and decides, in the
// memory of each replica, whether a session is still alive.
//
// Most readers need [Open], which joins a list kept in a store: redisstore,
// boltstore, or revlog.Memory for tests; and [List.Revoke], which ends a [Session],
// a [Subject], a [Group], a [Key] or [Everyone]. The middleware of package httpmw
// asks the list about every request, without I/O.
//
// # How it decides
//
// The store holds two things: a log of revocations in order, and the exact set
// of those still in force. Each replica reads the log a few times a second and
// keeps a window of it as Bloom filters. A session carries the position up to
// which it was already checked, so only newer parts of the window are probed. A
// hit, or a session last checked before the window began, is settled by one
// read of the exact set: a filter never refuses anybody by itself.
//
// # When the store is silent
//
// A replica whose view is older than [Config.Within] asks the store before it
// accepts a session. If the store does not answer, the window is frozen:
// sessions it can decide are accepted until [Config.Grace] has passed, all
// others are undecided. "Revoked" and "could not ask" are different answers
// everywhere. The log says once when a view becomes stale, is cut off, and is back.
//
// [Open] waits for a store that does not answer, unless
// [Config.StartWithoutStore] is set. Then the list decides nothing until the store
// does.
//
// # Time
//
// All comparisons use log time, the clock of the store, which never runs
// backwards. The clocks of replicas decide nothing.
//
// # The protocol
//
// docs/protocol.md of this module is the norm for lists and stores: its rules, and
// the failure that each of them prevents. Package revlog is for those who write a
// store.
package revocation
