// Package replica is one replica's part of the revocation list: it follows the log,
// repairs it, and decides about sessions. docs/protocol.md is its norm.
//
// [Replica.Decide] answers from memory; [Replica.Confirm] asks the store where that
// cannot. [Replica.Begin], [Replica.Anonymous] and [Replica.Succeed] say what the
// token of a new session carries. Package revocation is the same for applications,
// and package revlog the contract of stores.
package replica
