package demo

import (
	"errors"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/devices"
)

// devices answers with the devices on which the user is signed in.
func (r *replica) devices(w http.ResponseWriter, req *http.Request) {
	s := r.sessions.From(req.Context())
	list, err := r.registry.List(req.Context(), s.Subject())
	if err != nil {
		r.fail(w, req, err)
		return
	}
	type row struct {
		ID      string    `json:"id"`
		Label   string    `json:"label"`
		Seen    time.Time `json:"seen"`
		Current bool      `json:"current"`
	}
	rows := make([]row, len(list))
	for i, d := range list {
		rows[i] = row{d.ID, d.Label(), d.Seen.UTC(), d.ID == s.ID()}
	}
	writeJSON(w, http.StatusOK, map[string]any{"devices": rows, "replica": r.number})
}

// signOutDevice ends one of the user's other sessions.
func (r *replica) signOutDevice(w http.ResponseWriter, req *http.Request) {
	s := r.sessions.From(req.Context())
	err := r.registry.SignOut(req.Context(), s.Subject(), req.PostFormValue("id"))
	switch {
	case errors.Is(err, devices.ErrNotFound):
		writeJSON(w, http.StatusNotFound, map[string]any{"error": "no such device", "replica": r.number})
	case err != nil:
		r.fail(w, req, err)
	default:
		r.done(w, req)
	}
}
