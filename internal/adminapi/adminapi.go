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
}
