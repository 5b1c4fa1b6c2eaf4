package admin

import (
	"encoding/json"
	"net/http"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
)

// showAudit answers with the newest records of this replica, if it keeps them.
func (a *API) showAudit(*call) (any, error) {
	trail, ok := a.audit.(*audit.Trail)
	if !ok {
		return nil, refuse(http.StatusNotImplemented, "no_trail", "This replica keeps no audit records in memory. The application gives an audit.Trail to everything that writes them.")
	}
	d := adminapi.Trail{Records: []json.RawMessage{}}
	for _, line := range trail.Newest(2 * audit.TrailSize) {
		d.Records = append(d.Records, line)
	}
	return d, nil
}
