package admin

import "github.com/wafer-sessions/wafer/internal/adminapi"

func (a *API) replicas(c *call) (any, error) {
	all, err := a.list.Replicas(c.Context())
	if err != nil {
		return nil, unanswered(err, "The store does not answer, so the replicas are not known. GET /status shows how this replica stands.")
	}
	return adminapi.ReplicasOf(all), nil
}

func (a *API) status(*call) (any, error) { return adminapi.StatusOf(a.list, a.list.Stats()), nil }
