// Package strictjson reads JSON (RFC 8259) so that two readers of the same bytes
// cannot understand different things: encoding/json takes "SUB" for "sub", the last
// of two members of one name, and null for anything.
//
// A [Reader] goes through bytes once and allocates nothing; it is for tokens. A
// [Value] is read whole first; it is for documents.
package strictjson
