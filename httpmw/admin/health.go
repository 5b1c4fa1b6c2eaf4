package admin

import (
	"net/http"

	"github.com/wafer-sessions/wafer/internal/adminapi"
)

// probes are the paths that everybody may ask, because a load balancer or a kubelet has no token and
// asks by address. They answer one word and cost no I/O.
var probes = map[string]func(*API) (word string, not *Refusal){
	"/livez":  (*API).live,
	"/readyz": (*API).ready,
}

// probed answers a request for one of the probes, and reports whether it was one.
func (a *API) probed(w http.ResponseWriter, r *http.Request) bool {
	probe, ok := probes[r.URL.Path]
	if !ok {
		return false
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		refuse(http.StatusMethodNotAllowed, "method", "This path does not have this method.").with("Allow", withHead(http.MethodGet)).ServeHTTP(w, r)
		return true
	}
	word, not := probe(a)
	if not != nil {
		not.ServeHTTP(w, r)
		return true
	}
	writeJSON(w, http.StatusOK, "application/json", adminapi.Health{Status: word})
	return true
}

// live says that this process answers. It looks at nothing else: no restart brings a store back, and
// one would lose the revocations that wait for it.
func (a *API) live() (string, *Refusal) { return "live", nil }

// ready says whether this replica can decide about sessions. A store that falls silent later leaves it
// ready: every replica would notice at once, and without any there is no site.
func (a *API) ready() (string, *Refusal) {
	switch {
	case a.list.Ready():
		return "ready", nil
	case a.list.Stats().State == "booting":
		return "", unavailable("not_ready", "This replica has not reached the store since it started.")
	}
	return "", unavailable("closed", "This replica is shutting down.")
}
