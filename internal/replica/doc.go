// Package replica is the part of the revocation list that runs in each process of an
// application. It follows the log in the store, repairs it after a loss, and decides about
// sessions. docs/protocol.md is its norm, and its glossary has the words that the comments
// here use.
//
// [Replica.Decide] decides from memory. If it cannot, [Replica.Confirm] asks the store.
// [Replica.Begin], [Replica.Anonymous] and [Replica.Succeed] return what the token of a new
// session carries. Applications use package revocation, which wraps this one. Package
// revlog is the contract for stores.
package replica
