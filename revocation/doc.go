// Package revocation keeps the list of revocations and decides, in the memory of each replica,
// whether a session is still alive.
//
// Most readers need two functions. [Open] joins a list that is kept in a store: redisstore,
// boltstore, or revlog.Memory for tests. [List.Revoke] ends a [Session], a [Subject], a [Group], a
// [Key] or [Everyone]. The middleware of package httpmw asks the list about every request, without
// I/O.
//
// # How it decides
//
// The store holds a log of revocations in order, and the exact set of those in force. Each replica
// reads the log a few times a second and keeps its newest part, the window, as Bloom filters. A
// session carries the position up to which it was checked, so the replica looks only at newer
// parts of the window. If a filter matches, or the session was last checked before the window
// began, the replica reads the exact set once. A filter alone refuses nobody.
//
// # When the store is silent
//
// A replica that has not read the log for longer than [Config.Within] asks the store before it
// accepts a session. If the store does not answer, the replica accepts the sessions that it can
// decide from memory until [Config.Grace] has passed. All others are undecided. "Revoked" and
// "could not ask" are different answers everywhere. The replica logs once when its view becomes
// stale, when it is cut off, and when it is back.
//
// [Open] waits for a store that does not answer. With [Config.StartWithoutStore] it returns at
// once, and the list decides nothing until the store answers.
//
// # Time
//
// All comparisons use log time: the clock of the store, which never runs backwards here. The clocks
// of replicas decide nothing.
//
// # The protocol
//
// docs/protocol.md of this module is the norm for lists and stores. It has the rules, and the
// failure that each rule prevents. Package revlog is for engineers who write a store.
package revocation
