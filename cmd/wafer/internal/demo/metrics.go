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
// Prometheus takes this process for one replica. The ring is that of the process.
func newMetrics(replicas []*replica, s *state) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	register := func(to prometheus.Registerer, p prom.Parts) error {
		c, err := prom.New(p)
		if err == nil {
			err = to.Register(c)
		}
		if err != nil {
			return fmt.Errorf("demo: metrics: %w", err)
		}
		return nil
	}
	if err := register(registry, prom.Parts{Keys: s.ring}); err != nil {
		return nil, err
	}
	for _, r := range replicas {
		labels := prometheus.Labels{"replica": strconv.Itoa(r.number)}
		parts := prom.Parts{Apps: map[string]prom.Manager{app: r.sessions}, List: r.list}
		if err := register(prometheus.WrapRegistererWith(labels, registry), parts); err != nil {
			return nil, err
		}
	}
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}
