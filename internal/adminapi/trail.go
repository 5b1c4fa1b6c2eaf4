package adminapi

import "encoding/json"

// A Trail is the answer to GET /audit: records as package audit writes them, newest first.
type Trail struct {
	Records []json.RawMessage `json:"records"`
}
