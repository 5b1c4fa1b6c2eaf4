// Package adminapi declares the documents of the admin API, once for the API, for the wafer command
// that calls it, and for what that command prints as JSON.
//
// The OpenAPI document in httpmw/admin describes them to everybody else.
package adminapi

// A Problem is the answer to a request that failed (RFC 9457). It has no type of its own, so its
// title is that of its status.
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`             // for programs
	Detail string `json:"detail,omitempty"` // for people
	// Lines says what is wrong with lines of the body of POST /revocations/many, at most 100.
	Lines []Fault `json:"lines,omitempty"`
}

// A Fault is what is wrong with a line of a body.
type Fault struct {
	Line   int    `json:"line"` // from 1
	Detail string `json:"detail"`
}
