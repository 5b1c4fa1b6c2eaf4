package token

import "github.com/wafer-sessions/wafer/internal/strictjson"

// These are exported for tests: the two readers of claims, which must agree, the reader of headers
// and the writers.
var (
	ScanSession   = scanSession
	ParseSession  = parseSession
	ScanRenewal   = scanRenewal
	ParseRenewal  = parseRenewal
	AppendSession = appendSession
	AppendRenewal = appendRenewal
)

// ParseHeader returns the kid and the typ of an encoded header.
func ParseHeader(encoded string) (kid, typ string, ok bool) {
	var buf [maxHeader]byte
	b, k, ok := parseHeader(buf[:0], encoded)
	return string(b), k.typ(), ok
}

// SessionNames are the members of a session, in the canonical order.
var SessionNames = sessionNames

// Limits that callers need not know.
const (
	MaxHeader  = maxHeader
	MaxMembers = maxMembers
	MaxDepth   = strictjson.MaxDepth
)
