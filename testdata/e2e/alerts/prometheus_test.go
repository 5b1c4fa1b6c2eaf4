package alerts

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

// A prometheus is a real one.
type prometheus struct {
	t      testing.TB
	url    string
	client *http.Client
}

// installed returns the path of a program of Debian's package prometheus.
func installed(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed, and CI=true", name)
		}
		t.Skipf("%s is not installed: it is in Debian's package prometheus", name)
	}
	return path
}

// freeAddr returns an address of this machine that was free a moment ago.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startPrometheus starts one that scrapes the targets, by job, every second, and evaluates rules.
func startPrometheus(t testing.TB, rules string, targets map[string][]string) *prometheus {
	t.Helper()
	program, dir := installed(t, "prometheus"), t.TempDir()
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\nrule_files: [rules.yml]\nscrape_configs:\n"
	for job, addrs := range targets {
		config += fmt.Sprintf("- {job_name: %s, static_configs: [{targets: ['%s']}]}\n", job, strings.Join(addrs, "', '"))
	}
	for name, text := range map[string]string{"prometheus.yml": config, "rules.yml": rules} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	addr := freeAddr(t)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address="+addr, "--log.level=warn")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if said, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("Prometheus says:\n%s", said)
		}
	})
	p := &prometheus{t, "http://" + addr, &http.Client{Timeout: 10 * time.Second}}
	redistest.Await(t, "Prometheus is ready", func() bool {
		resp, err := p.client.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// get asks the API, and reads the data of its answer.
func (p *prometheus) get(path string, query url.Values, data any) error {
	resp, err := p.client.Get(p.url + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", path, answer.Error)
	}
	return nil
}

// query returns how many series a query has now.
func (p *prometheus) query(expr string) (int, error) {
	var data struct{ Result []json.RawMessage }
	err := p.get("query", url.Values{"query": {expr}}, &data)
	return len(data.Result), err
}

// alerts returns which alerts are active, and whether they fire. It returns nil if Prometheus does not
// answer in time.
func (p *prometheus) alerts() map[string]bool {
	var data struct {
		Alerts []struct {
			State  string
			Labels map[string]string
		}
	}
	if err := p.get("alerts", nil, &data); err != nil {
		p.t.Logf("asking for alerts: %v", err)
		return nil
	}
	active := map[string]bool{}
	for _, a := range data.Alerts {
		name := a.Labels["alertname"]
		active[name] = active[name] || a.State == "firing"
	}
	return active
}

// A promRule is one that Prometheus has loaded.
type promRule struct{ Name, Query, Type, Health, LastError string }

func (p *prometheus) rules() (all []promRule) {
	var data struct {
		Groups []struct{ Rules []promRule }
	}
	if err := p.get("rules", nil, &data); err != nil {
		p.t.Fatal(err)
	}
	for _, g := range data.Groups {
		all = append(all, g.Rules...)
	}
	return all
}
