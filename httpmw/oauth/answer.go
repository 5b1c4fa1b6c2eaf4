package oauth

import (
	"encoding/json"
	"net/http"
)

// A failure is an error response (RFC 6749 section 5.2).
type failure struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"` // printable ASCII, without " and \
}

func invalid(description string) *failure {
	return &failure{http.StatusBadRequest, "invalid_request", description}
}

const unsupportedType = "unsupported_token_type"

func unsupported(description string) *failure {
	return &failure{http.StatusBadRequest, unsupportedType, description}
}

func unavailable(description string) *failure {
	return &failure{http.StatusServiceUnavailable, "temporarily_unavailable", description}
}

// retryAfter is how many seconds a caller is told to wait. The list is read several times in it.
const retryAfter = "2"

func (f *failure) write(w http.ResponseWriter) {
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	writeJSON(w, f.status, f)
}

// begin sets the headers of every answer.
func begin(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache") // RFC 6749 section 5.1
	h.Set("X-Content-Type-Options", "nosniff")
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // no value written here can fail to encode
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // an error means that the caller is gone
}
