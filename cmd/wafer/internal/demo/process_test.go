package demo_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the command, built once for all tests of this package.
var program string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "wafer-demo-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "wafer")
	// The test cache does not see what the build reads. So this test looks at the command's own files;
	// all other packages are linked into the test.
	if _, err := filepath.Glob("../../*.go"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", program, "github.com/wafer-sessions/wafer/cmd/wafer")...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n%s", build, err, out)
		return 1
	}
	return m.Run()
}

// process is a running `wafer demo`.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	url   string
	token string
	dir   string
	ended chan error
	said  *strings.Builder // complete once ended
}

const startTime = time.Minute // as promised to newcomers, and far more than needed

var (
	urlLine   = regexp.MustCompile(`^ *page +(http://\S+)/$`)
	tokenLine = regexp.MustCompile(`^ *admin token +(\S+)$`)
	dirLine   = regexp.MustCompile(`^ *folder +(\S+)`)
)

// start runs a demo on a port that the kernel chooses, and returns when it has printed the address.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := launch(t, args...)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended
	})
	return p
}

func launch(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	p := &process{t: t, ended: make(chan error, 1), said: new(strings.Builder)}
	p.cmd = exec.Command(program, append([]string{"demo", "--addr", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(os.Environ(), "WAFER_ADMIN_TOKEN=", "TMPDIR="+t.TempDir()) // one that is killed leaves its folder
	p.cmd.Stderr = p.said
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{}) // closed when all is said, or nothing more will be
	go func() {
		announce := sync.OnceFunc(func() { close(ready) })
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			for _, found := range []struct {
				pattern *regexp.Regexp
				to      *string
			}{{urlLine, &p.url}, {tokenLine, &p.token}, {dirLine, &p.dir}} {
				if m := found.pattern.FindStringSubmatch(lines.Text()); m != nil {
					*found.to = m[1]
				}
			}
			if p.dir != "" { // it comes last
				announce()
			}
		}
		announce()
		p.ended <- p.cmd.Wait()
		close(p.ended)
	}()
	select {
	case <-ready:
	case <-ctx.Done():
		t.Fatal("the demo did not start in time")
	}
	if p.url == "" || p.token == "" {
		<-p.ended
		t.Fatalf("the demo did not say where it is: %s", p.said)
	}
	return p
}

// stop asks the demo to end, and fails unless it exits with 0.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Fatalf("the demo ended with %v: %s", err, p.said)
		}
	case <-time.After(startTime):
		p.t.Fatal("the demo did not end")
	}
}

// kill ends it as kill -9 does.
func (p *process) kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	<-p.ended
}

// browser is a client with cookies of its own. It does not follow redirects, and outlives the demo.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{
		Jar:           jar,
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// login opens a browser and logs somebody in.
func (p *process) login(user string) *browser {
	p.t.Helper()
	b := newBrowser(p.t)
	b.post(p, "/login", url.Values{"user": {user}})
	return b
}

// try sends a form and returns the status of the answer.
func (b *browser) try(p *process, path string, form url.Values) int {
	b.t.Helper()
	resp, err := b.client.PostForm(p.url+path, form)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// post sends a form and wants to be sent back to the page. It returns the replica that took it.
func (b *browser) post(p *process, path string, form url.Values) (replica int) {
	b.t.Helper()
	resp, err := b.client.PostForm(p.url+path, form)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/" {
		body, _ := io.ReadAll(resp.Body)
		b.t.Fatalf("POST %s: %s to %q: %s", path, resp.Status, resp.Header.Get("Location"), body)
	}
	replica, err = strconv.Atoi(resp.Header.Get("Wafer-Replica"))
	if err != nil {
		b.t.Fatal(err)
	}
	return replica
}

// session is what GET /api/session answers.
type session struct {
	Status           int `json:"-"`
	SID, Subject     string
	Methods          []string
	Started, Expires time.Time
	Data             struct{ Note, Role string }
	Replica          int
	Error            string
}

func (b *browser) read(p *process) session {
	b.t.Helper()
	resp, err := b.client.Get(p.url + "/api/session")
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	s := session{Status: resp.StatusCode}
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		b.t.Fatal(err)
	}
	return s
}

// copied is another browser with the same cookies: a thief's.
func (b *browser) copied(p *process) *browser {
	b.t.Helper()
	home, err := url.Parse(p.url)
	if err != nil {
		b.t.Fatal(err)
	}
	thief := newBrowser(b.t)
	thief.client.Jar.SetCookies(home, b.client.Jar.Cookies(home))
	if len(thief.client.Jar.Cookies(home)) == 0 {
		b.t.Fatal("there was no cookie to copy")
	}
	return thief
}

const replicas = 3

// everyReplica reads until every replica has answered, and wants the status from all of them.
func (b *browser) everyReplica(p *process, status int) session {
	b.t.Helper()
	seen := map[int]bool{}
	var s session
	for reads := 0; len(seen) < replicas; reads++ {
		if reads == 200 {
			b.t.Fatalf("only the replicas %v answered in %d reads", seen, reads)
		}
		s = b.read(p)
		if s.Status != status {
			b.t.Fatalf("replica %d answered %d %s, want %d", s.Replica, s.Status, s.Error, status)
		}
		seen[s.Replica] = true
	}
	return s
}

// refusedWithin reads until every replica refuses, which must take at most the promised time from
// since, and checks that they keep refusing.
func (b *browser) refusedWithin(p *process, since time.Time, promised time.Duration) {
	b.t.Helper()
	seen := map[int]bool{}
	for len(seen) < replicas {
		sent := time.Now()
		switch s := b.read(p); s.Status {
		case http.StatusUnauthorized:
			seen[s.Replica] = true
		case http.StatusOK:
			if seen[s.Replica] {
				b.t.Fatalf("replica %d refused, and accepted again", s.Replica)
			}
			if d := sent.Sub(since); d > promised {
				b.t.Fatalf("replica %d accepted %v after the acknowledgement", s.Replica, d)
			}
		default:
			b.t.Fatalf("replica %d answered %d", s.Replica, s.Status)
		}
	}
	b.everyReplica(p, http.StatusUnauthorized)
}

// revoke revokes through the admin API, and returns when the API acknowledged.
func (p *process) revoke(scope, id string) (acknowledged time.Time) {
	p.t.Helper()
	status, body := p.admin(http.MethodPost, "/revocations", p.token, fmt.Sprintf(`{"scope":%q,"id":%q,"reason":"test"}`, scope, id))
	acknowledged = time.Now()
	if status != http.StatusOK || body["position"] == nil || body["effective"] == nil || body["worst_case"] == nil {
		p.t.Fatalf("revoking answered %d %v", status, body)
	}
	return acknowledged
}

func (p *process) admin(method, path, token, body string) (int, map[string]any) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+"/admin"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, answer
}
