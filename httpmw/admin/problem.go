package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// problem is a problem document (RFC 9457). It has no type of its own, so its title is that of its status; Code is what programs read.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail,omitempty"`

	header http.Header
}

func (p *problem) Error() string { return "admin: " + p.Code }

func (p *problem) write(w http.ResponseWriter) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	p.Title = http.StatusText(p.Status)
	writeJSON(w, p.Status, "application/problem+json", p)
}

// problemOf turns what a route returned into what the caller is told. Text of errors from below is not passed on.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	switch {
	case errors.Is(err, revocation.ErrTarget):
		// What follows the sentinel says what an id must look like, and holds none.
		return invalid(strings.TrimPrefix(err.Error(), revocation.ErrTarget.Error()+": "))
	case errors.Is(err, revocation.ErrFuture):
		return &problem{Status: http.StatusUnprocessableEntity, Code: "future", Detail: `"before" must not lie in the future.`}
	case errors.Is(err, revocation.ErrDisabled):
		return &problem{Status: http.StatusNotImplemented, Code: "disabled", Detail: "This application was built without a list of revocations."}
	case errors.Is(err, keys.ErrReadOnly):
		return &problem{Status: http.StatusNotImplemented, Code: "read_only", Detail: "This replica cannot change its ring. Change it where it is kept."}
	case errors.Is(err, keys.ErrUnknownKey):
		return &problem{Status: http.StatusNotFound, Code: "no_key", Detail: "The ring has no such key."}
	case errors.Is(err, keys.ErrPending):
		return &problem{Status: http.StatusConflict, Code: "pending", Detail: "A new key is waiting already. It takes over at its time."}
	case errors.Is(err, keys.ErrFull):
		return &problem{Status: http.StatusConflict, Code: "full", Detail: "The ring holds as many keys as a ring may. Prune it."}
	case errors.Is(err, revocation.ErrClosed):
		return unavailable("closed", "This replica is shutting down. Nothing was done.")
	case errors.Is(err, revocation.ErrNotReady):
		return unavailable("not_ready", "This replica has not reached the store since it started. Nothing was done; ask again.")
	case errors.Is(err, revocation.ErrOutboxFull):
		return unavailable("outbox_full", "The store does not answer, and too many revocations wait for it. Nothing was done; ask again.")
	case errors.Is(err, errRing):
		return unavailable("ring", "The ring could not be changed where it is kept.")
	case !errors.Is(err, revocation.ErrUnavailable):
		return unavailable("unavailable", "It could not be done. Ask again.")
	}
	return unavailable("unavailable", "The store did not acknowledge. This replica refuses already what was to be revoked, and goes on trying; ask again to be sure.")
}

// unanswered is problemOf of a question to the store, which says so if that did not answer.
func unanswered(err error, detail string) error {
	if errors.Is(err, revocation.ErrUnavailable) {
		return unavailable("unavailable", detail)
	}
	return err
}

func unavailable(code, detail string) *problem {
	return &problem{Status: http.StatusServiceUnavailable, Code: code, Detail: detail, header: http.Header{"Retry-After": {"2"}}}
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil { // no value written here can fail to encode
		panic(err)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the caller is gone: nothing to do about it
}
