package alerts

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/redistest"
)

const (
	app      = "wafer-demo" // the name of the demo's application
	replicas = 2            // of each demo
)

var adminToken = random(32)

// random returns n random bytes in base64url.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// build builds the command and returns its path.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wafer")
	if out, err := exec.Command("go", "build", "-C", filepath.Join("..", "..", ".."), "-o", path, "./cmd/wafer").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return path
}

// A demo is a process of wafer demo. It reaches a single Redis through a link of its own.
type demo struct {
	t       *testing.T
	program string
	addr    string
	kek     string
	redis   string // URL
	link    *redistest.Proxy
	log     string // path of its log
	cmd     *exec.Cmd
	client  *http.Client
}

// newDemo starts a demo that serves at addr and uses the Redis at this URL.
func newDemo(t *testing.T, program, kek, addr, redis string) *demo {
	t.Helper()
	d := &demo{
		t: t, program: program, addr: addr, kek: kek, redis: redis, log: filepath.Join(t.TempDir(), "log"),
		client: &http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	t.Cleanup(d.kill)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the demo at %s:\n%s", d.addr, d.said())
		}
	})
	d.start()
	return d
}

// start starts the process. The caller awaits that it serves.
func (d *demo) start() {
	d.t.Helper()
	log, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	d.cmd = exec.Command(d.program, "demo", "--addr", d.addr, "--replicas", fmt.Sprint(replicas), "--redis", d.redis)
	d.cmd.Env = append(os.Environ(), "WAFER_KEK="+d.kek, "WAFER_ADMIN_TOKEN="+adminToken)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
}

// said returns the end of the demo's log, without its revocations.
func (d *demo) said() string {
	b, _ := os.ReadFile(d.log)
	lines := slices.DeleteFunc(strings.Split(string(b), "\n"), func(l string) bool { return strings.Contains(l, "admin: revoked") })
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

func (d *demo) kill() {
	d.cmd.Process.Kill()
	d.cmd.Wait()
}

func (d *demo) signal(s syscall.Signal) {
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Error(err)
	}
}

// A demoState is what a demo says of itself.
type demoState struct {
	KID      string
	Replicas []struct{ State, Position string }
}

// state asks the demo. It returns the zero state if that does not answer.
func (d *demo) state() (s demoState) {
	resp, err := d.client.Get("http://" + d.addr + "/api/replicas")
	if err != nil {
		return s
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return demoState{}
	}
	return s
}

// serves reports whether every replica is in step.
func (d *demo) serves() bool {
	synced := 0
	for _, r := range d.state().Replicas {
		if r.State == "synced" {
			synced++
		}
	}
	return synced == replicas
}

// revoke revokes by the admin API, and reports whether that was acknowledged.
func (d *demo) revoke(scope, id string) bool {
	req, err := http.NewRequest("POST", "http://"+d.addr+"/admin/revocations", strings.NewReader(fmt.Sprintf(`{"scope":%q,"id":%q,"reason":"test"}`, scope, id)))
	if err != nil {
		d.t.Error(err)
		return false
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	req.Header.Set("Content-Type", "application/json")
	return d.do(d.client, req) == http.StatusOK
}

// do sends a request and returns the status of the answer, 0 if none comes.
func (d *demo) do(c *http.Client, req *http.Request) int {
	resp, err := c.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// A browser is one user of a demo.
type browser struct {
	d      *demo
	client http.Client
}

func newBrowser(d *demo) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	b := &browser{d, *d.client}
	b.client.Jar = jar
	return b
}

func (b *browser) get(path string) int {
	req, err := http.NewRequest("GET", "http://"+b.d.addr+path, nil)
	if err != nil {
		b.d.t.Error(err)
		return 0
	}
	return b.d.do(&b.client, req)
}

func (b *browser) post(path string, form url.Values) int {
	req, err := http.NewRequest("POST", "http://"+b.d.addr+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.d.t.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.d.do(&b.client, req)
}

func (b *browser) login(user string) int { return b.post("/login", url.Values{"user": {user}}) }

// use keeps some users and an administrator busy at a demo until the test ends: they read, and now and
// then log out and in, and the administrator revokes sessions.
func use(t *testing.T, d *demo) {
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	every := func(pause time.Duration, do func()) {
		all.Go(func() {
			for tick := time.NewTicker(pause); ; <-tick.C {
				if t.Context().Err() != nil {
					return
				}
				do()
			}
		})
	}
	for n := range 3 {
		b, user := newBrowser(d), fmt.Sprint("user", n)
		every(100*time.Millisecond, func() {
			if b.get("/api/session") == http.StatusUnauthorized {
				b.login(user)
			}
		})
	}
	moving := newBrowser(d)
	every(time.Second, func() {
		moving.login("moving")
		moving.post("/logout", nil)
	})
	every(300*time.Millisecond, func() { d.revoke("session", random(16)) })
}
