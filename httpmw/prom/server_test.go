package prom_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/prom"
	"github.com/wafer-sessions/wafer/internal/histogram"
	"github.com/wafer-sessions/wafer/revocation"
)

// counted is a manager with a histogram that the test knows.
type counted struct{}

func (counted) Stats() httpmw.Stats {
	var h histogram.Histogram
	for i := range 1000 {
		h.Record(float64(i + 1))
	}
	return httpmw.Stats{Sizes: map[string]revocation.Histogram{"session": h.Snapshot()}}
}

// A Prometheus that scrapes native histograms gets those, and one that does not gets the buckets. Both
// see the same values. make e2e installs the server.
func TestPrometheusReadsBothForms(t *testing.T) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed")
	}
	c, err := prom.New(prom.Parts{Apps: map[string]prom.Manager{"shop": counted{}}})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	target := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(target.Close)
	for _, row := range []struct {
		name   string
		native bool
		query  string
		far    float64 // how far from 900 the quantile may be
	}{
		{"native", true, `histogram_quantile(0.9, wafer_token_size_bytes{kind="session"})`, 90},
		{"classic", false, `histogram_quantile(0.9, wafer_token_size_bytes_bucket{kind="session"})`, 130},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			ask := startPrometheus(t, binary, target.URL, row.native)
			var got float64
			for deadline := time.Now().Add(time.Minute); got == 0 && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
				got = ask(row.query)
			}
			if got < 900-row.far || got > 900+row.far {
				t.Errorf("the quantile is %v", got)
			}
		})
	}
}

// startPrometheus starts a server that scrapes target each second, and returns what asks it: the
// value of the only series of a query, 0 while there is none.
func startPrometheus(t *testing.T, binary, target string, native bool) func(query string) float64 {
	t.Helper()
	dir, flags, setting := t.TempDir(), []string(nil), ""
	if native { // a flag of Prometheus 2, a setting of later ones
		version, err := exec.Command(binary, "--version").CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(version), "version 2.") {
			flags = []string{"--enable-feature=native-histograms"}
		} else {
			setting = ", scrape_native_histograms: true"
		}
	}
	config := fmt.Sprintf("global: {scrape_interval: 1s%s}\nscrape_configs: [{job_name: wafer, metrics_path: /, static_configs: [{targets: ['%s']}]}]\n",
		setting, strings.TrimPrefix(target, "http://"))
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	cmd := exec.Command(binary, append(flags, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return func(query string) float64 {
		resp, err := http.Get("http://" + addr + "/api/v1/query?query=" + url.QueryEscape(query))
		if err != nil {
			return 0
		}
		defer resp.Body.Close()
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Data.Result) != 1 {
			return 0
		}
		text, _ := answer.Data.Result[0].Value[1].(string)
		v, _ := strconv.ParseFloat(text, 64)
		return v
	}
}
