package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/apptest"
)

// patience is how long anything may take on a machine with much else to do.
const patience = 30 * time.Second

// A process is one operating system process of the application.
type process struct {
	n     int
	log   string       // path of its log
	using sync.RWMutex // held for reading by each request, and for writing while it is replaced
	*apptest.Process
}

// A fleet is some processes behind a load balancer.
type fleet struct {
	t      *testing.T
	client *http.Client
	all    []*process
}

func newFleet(t *testing.T, n int, s settings) *fleet {
	f := &fleet{t: t, client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	for i := range n {
		p := &process{n: i, log: filepath.Join(t.TempDir(), "log")}
		t.Cleanup(p.kill)
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("log of process %d:\n%s", p.n, apptest.Tail(p.log))
			}
		})
		if err := p.launch(s); err != nil {
			t.Fatal(err)
		}
		f.all = append(f.all, p)
	}
	return f
}

// launch starts the process and returns when it serves.
func (p *process) launch(s settings) error {
	started, err := apptest.Start(appEnv, s, p.log, 2*patience)
	if err != nil {
		return fmt.Errorf("process %d: %w", p.n, err)
	}
	p.Process = started
	return nil
}

// kill ends the process if it still runs.
func (p *process) kill() {
	if p.Process != nil && p.Cmd.ProcessState == nil {
		p.Cmd.Process.Kill()
		p.Cmd.Wait()
	}
}

// deploy replaces the processes one by one by processes with other settings. As behind a load
// balancer, a process gets no request from before it ends until it serves again.
func (f *fleet) deploy(s settings) {
	for _, p := range f.all {
		p.using.Lock()
		p.Stdin.Close()
		err := p.Cmd.Wait()
		if err == nil {
			err = p.launch(s)
		}
		p.using.Unlock()
		if err != nil {
			f.t.Errorf("process %d: %v: %s", p.n, err, apptest.Tail(p.log))
		}
	}
}

// send sends a request to any process that serves.
func (f *fleet) send(method, path string, b cookies) (int, reply, error) {
	for {
		p := f.all[rand.N(len(f.all))]
		if p.using.TryRLock() {
			defer p.using.RUnlock()
			return f.sendTo(p, method, path, b)
		}
		time.Sleep(time.Millisecond)
	}
}

// sendTo sends a request to that process. It keeps the cookies of the answer.
func (f *fleet) sendTo(p *process, method, path string, b cookies) (int, reply, error) {
	r, err := http.NewRequest(method, "http://"+p.Addr+path, nil)
	if err != nil {
		return 0, reply{}, err
	}
	for name, value := range b {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w, err := f.client.Do(r)
	if err != nil {
		return 0, reply{}, err
	}
	defer w.Body.Close()
	for _, c := range w.Cookies() {
		if b[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b, c.Name)
		}
	}
	var body reply
	if err := json.NewDecoder(w.Body).Decode(&body); err != nil {
		return 0, reply{}, err
	}
	io.Copy(io.Discard, w.Body)
	return w.StatusCode, body, nil
}
