package demo_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A Prometheus that scrapes the demo sees all that each replica counts.
func TestTheDemoHasMetrics(t *testing.T) {
	p := start(t)
	ada := p.login("ada")
	ada.everyReplica(p, http.StatusOK)
	resp, err := http.Get(p.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %v", resp.StatusCode, err)
	}
	text := string(body)
	for n := 1; n <= replicas; n++ {
		for _, series := range []string{`wafer_list_state{replica="%d",state="synced"} 1`, `wafer_sessions_accepted_total{app="wafer-demo",replica="%d"} `, `wafer_ring_keys{replica="%d",state="sealing"} 1`} {
			if s := fmt.Sprintf(series, n); !strings.Contains(text, s) {
				t.Errorf("no series %s", s)
			}
		}
		if idle := fmt.Sprintf(`wafer_sessions_accepted_total{app="wafer-demo",replica="%d"} 0`, n); strings.Contains(text, idle) {
			t.Errorf("replica %d has accepted no session", n)
		}
	}
	if strings.Contains(text, "ada") {
		t.Error("a name is in the metrics")
	}
	p.stop()
}
