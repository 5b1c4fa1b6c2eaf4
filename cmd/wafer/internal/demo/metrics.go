package demo

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wafer-sessions/wafer/httpmw/prom"
)

// newMetrics serves the metrics of all replicas. The label "replica" says whose they are, because a
// Prometheus takes this process for one replica.
func newMetrics(replicas []*replica, s *state) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	for _, r := range replicas {
		c, err := prom.New(prom.Parts{
			Apps: map[string]prom.Manager{app: r.sessions}, Devices: map[string]prom.Devices{app: r.registry}, List: r.list, Keys: s.ring,
		})
		if err == nil {
			err = prometheus.WrapRegistererWith(prometheus.Labels{"replica": strconv.Itoa(r.number)}, registry).Register(c)
		}
		if err != nil {
			return nil, fmt.Errorf("demo: metrics: %w", err)
		}
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}
