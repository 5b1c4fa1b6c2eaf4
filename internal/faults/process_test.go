package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/apptest"
)

// patience is how long a client waits for an answer: longer than any process is stopped.
const patience = 30 * time.Second

// A process is one operating system process of the application.
type process struct {
	t      testing.TB
	number int
	link   *link
	set    settings
	log    string // path of its log
	client *http.Client

	mu    sync.Mutex // owns the fields below
	cmd   *exec.Cmd
	stdin io.Closer
	addr  string
	gone  chan struct{}
}

func newProcess(t testing.TB, number int, set settings) *process {
	p := &process{t: t, number: number, link: newLink(t), set: set, log: filepath.Join(t.TempDir(), "log"),
		client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	p.set.Link = p.link.addr
	t.Cleanup(p.kill)
	return p
}

// launch starts the process and returns once it answers.
func (p *process) launch() error {
	started, err := apptest.Start(appEnv, p.set, p.log, 2*patience)
	if err != nil {
		return fmt.Errorf("process %d: %w", p.number, err)
	}
	gone := make(chan struct{})
	go func() { started.Cmd.Wait(); close(gone) }()
	p.mu.Lock()
	p.cmd, p.stdin, p.gone, p.addr = started.Cmd, started.Stdin, gone, started.Addr
	p.mu.Unlock()
	return nil
}

// kill ends the process with SIGKILL.
func (p *process) kill() {
	p.mu.Lock()
	cmd, gone := p.cmd, p.gone
	p.mu.Unlock()
	if cmd != nil {
		cmd.Process.Kill()
		<-gone
	}
}

// end ends the process in the way a deployment does.
func (p *process) end() {
	p.mu.Lock()
	stdin, gone := p.stdin, p.gone
	p.mu.Unlock()
	stdin.Close()
	<-gone
}

// pause stops the process until resume.
func (p *process) pause()  { p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) resume() { p.cmd.Process.Signal(syscall.SIGCONT) }

// Values that call returns in place of a status.
const (
	notSent  = -1 // the process does not listen
	noAnswer = 0
)

// call sends one request to a list of the process.
func (p *process) call(method, path string, list int, cookies map[string]string) (status int, body reply, set []*http.Cookie) {
	p.mu.Lock()
	if p.addr == "" {
		p.mu.Unlock()
		return notSent, reply{}, nil
	}
	url := fmt.Sprintf("http://%s/%d%s", p.addr, list, path)
	p.mu.Unlock()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		return notSent, reply{}, nil
	}
	for name, value := range cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer, err := p.client.Do(r)
	if dial := new(net.OpError); errors.As(err, &dial) && dial.Op == "dial" {
		return notSent, reply{}, nil
	}
	if err != nil {
		return noAnswer, reply{}, nil
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return noAnswer, reply{}, nil
	}
	io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, body, answer.Cookies()
}

// serves reports whether the process answers.
func (p *process) serves() bool {
	status, _, _ := p.call("GET", "/ready", 0, nil)
	return status == http.StatusOK
}
