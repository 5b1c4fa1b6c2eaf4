package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long anything may take on a machine with much else to do.
const patience = 30 * time.Second

// A process is one operating system process of the application.
type process struct {
	n     int
	log   string       // path of its log
	using sync.RWMutex // held for reading by each request, and for writing while it is replaced
	cmd   *exec.Cmd
	stdin io.Closer
	addr  string
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
				t.Logf("log of process %d:\n%s", p.n, p.tail())
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
	encoded, err := json.Marshal(s)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), appEnv+"="+string(encoded))
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	giveUp := time.AfterFunc(2*patience, func() { cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	giveUp.Stop()
	p.cmd, p.stdin, p.addr = cmd, stdin, strings.TrimSpace(line)
	if err != nil {
		p.kill()
		return fmt.Errorf("process %d does not start: %w: %s", p.n, err, p.tail())
	}
	return nil
}

// kill ends the process if it still runs.
func (p *process) kill() {
	if p.cmd != nil && p.cmd.ProcessState == nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	}
}

// tail returns the end of its log.
func (p *process) tail() string {
	b, _ := os.ReadFile(p.log)
	return string(b[max(0, len(b)-4000):])
}

// deploy replaces the processes one by one by processes with other settings. As behind a load
// balancer, a process gets no request from before it ends until it serves again.
func (f *fleet) deploy(s settings) {
	for _, p := range f.all {
		p.using.Lock()
		p.stdin.Close()
		err := p.cmd.Wait()
		if err == nil {
			err = p.launch(s)
		}
		p.using.Unlock()
		if err != nil {
			f.t.Errorf("process %d: %v: %s", p.n, err, p.tail())
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
	r, err := http.NewRequest(method, "http://"+p.addr+path, nil)
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
