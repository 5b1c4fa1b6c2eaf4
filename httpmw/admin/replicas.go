package admin

import "time"

// replicaAnswer is one replica as it last described itself to the store.
type replicaAnswer struct {
	ID       string            `json:"id"`
	Host     string            `json:"host"`
	Version  string            `json:"version"`
	State    string            `json:"state"`
	Age      float64           `json:"age"`    // of its view, seconds
	Window   float64           `json:"window"` // seconds
	Position string            `json:"position"`
	Report   map[string]string `json:"report,omitempty"`
	Seen     time.Time         `json:"seen"`
}

func (a *api) replicas(c *call) (any, error) {
	all, err := a.list.Replicas(c.Context())
	if err != nil {
		return nil, unanswered(err, "The store does not answer, so the replicas are not known. GET /status says how this one stands.")
	}
	out := make([]replicaAnswer, 0, len(all))
	for _, r := range all {
		out = append(out, replicaAnswer{
			ID: r.ID, Host: r.Host, Version: r.Version, State: r.State, Age: r.Age.Seconds(), Window: r.Window.Seconds(),
			Position: r.Position, Report: r.Report, Seen: r.Seen.UTC(),
		})
	}
	return struct {
		Replicas []replicaAnswer `json:"replicas"`
	}{out}, nil
}
