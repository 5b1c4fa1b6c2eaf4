package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// A Refusal is the answer to a request that failed: a problem document, and the headers that go with
// it.
type Refusal struct {
	adminapi.Problem
	header http.Header
}

// Error implements error, without the detail.
func (p *Refusal) Error() string { return "admin: " + p.Code }

// ServeHTTP answers a request with the document.
func (p *Refusal) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	writeJSON(w, p.Status, "application/problem+json", p.Problem)
}

func refuse(status int, code, detail string) *Refusal {
	return &Refusal{Problem: adminapi.Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}}
}

func (p *Refusal) with(name string, values ...string) *Refusal {
	p.header = http.Header{name: values}
	return p
}

func malformed(detail string) *Refusal { return refuse(http.StatusBadRequest, "body", detail) }

func invalid(detail string) *Refusal {
	return refuse(http.StatusUnprocessableEntity, "invalid", detail)
}

func unavailable(code, detail string) *Refusal {
	return refuse(http.StatusServiceUnavailable, code, detail).with("Retry-After", "2")
}

// problemOf returns what the caller is told of an error. It passes no text of other packages on,
// except why a target is refused, which holds no id.
func problemOf(err error) *Refusal {
	if p, ok := errors.AsType[*Refusal](err); ok {
		return p
	}
	switch {
	case errors.Is(err, revocation.ErrTarget):
		return invalid(strings.TrimPrefix(err.Error(), revocation.ErrTarget.Error()+": "))
	case errors.Is(err, revocation.ErrFuture):
		return refuse(http.StatusUnprocessableEntity, "future", `"before" must not be in the future.`)
	case errors.Is(err, revocation.ErrUnderWay):
		return refuse(http.StatusConflict, "under_way", `Another revocation is ending these sessions one after another. Nothing was done. Wait until it is over, or leave "over" out to end them all now.`)
	case errors.Is(err, revocation.ErrDisabled):
		return refuse(http.StatusNotImplemented, "disabled", "This application has no revocation list.")
	case errors.Is(err, keys.ErrReadOnly):
		return refuse(http.StatusNotImplemented, "read_only", "This replica cannot change its ring. Change the ring where it is kept.")
	case errors.Is(err, keys.ErrUnknownKey):
		return refuse(http.StatusNotFound, "no_key", "The ring has no such key.")
	case errors.Is(err, keys.ErrPending):
		return refuse(http.StatusConflict, "pending", "A new key is waiting already. It seals when its time comes.")
	case errors.Is(err, keys.ErrShorter):
		return refuse(http.StatusConflict, "shorter", "The ring allows longer sessions already. The limit cannot be lowered.")
	case errors.Is(err, keys.ErrNothingPending):
		return refuse(http.StatusConflict, "no_pending", "No new key is waiting, or it begins to seal within a minute: a replica may not learn in time that it must not.")
	case errors.Is(err, adminapi.ErrInUse):
		return refuse(http.StatusConflict, "in_use", sentence(err))
	case errors.Is(err, keys.ErrFull):
		return refuse(http.StatusConflict, "full", "The ring is full. POST /keys/prune removes the keys that expired.")
	case errors.Is(err, revocation.ErrClosed):
		return unavailable("closed", "This replica is shutting down. Nothing was done.")
	case errors.Is(err, revocation.ErrNotReady):
		return unavailable("not_ready", "This replica has not reached the store since it started. Nothing was done. Ask again.")
	case errors.Is(err, revocation.ErrOutboxFull):
		return unavailable("outbox_full", "The store does not answer, and too many revocations wait for it. Nothing was done. Ask again.")
	case errors.Is(err, errRing):
		return unavailable("ring", "The ring could not be changed where it is kept; the audit log of the application says why.")
	case !errors.Is(err, revocation.ErrUnavailable):
		return unavailable("unavailable", "The request could not be carried out. Ask again.")
	}
	return unavailable("unavailable",
		"The store did not acknowledge the revocation. This replica enforces it already and keeps trying to store it. Ask again to be sure.")
}

// unanswered is the answer to a question that the store did not answer.
func unanswered(err error, detail string) error {
	if errors.Is(err, revocation.ErrUnavailable) {
		return unavailable("unavailable", detail)
	}
	return err
}

// sentence makes a sentence of an error's text.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil { // no value written here can fail to encode
		panic(err)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // an error means that the caller is gone
}
