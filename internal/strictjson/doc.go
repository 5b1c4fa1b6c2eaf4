// Package strictjson reads JSON (RFC 8259) so that two readers of the same bytes cannot understand
// different things. Package encoding/json, for example, takes "SUB" for "sub", the last of two
// members with one name, and null for any value.
//
// A [Reader] reads bytes once and allocates nothing. It is for tokens. A [Value] is checked as a
// whole first. It is for documents.
package strictjson
