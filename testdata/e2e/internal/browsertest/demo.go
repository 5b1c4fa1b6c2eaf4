package browsertest

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Demo is a process of wafer demo.
type Demo struct {
	URL   string // of the page, with a slash at the end
	Token string // of the admin API
}

// build builds the command once, for tests in a folder of testdata/e2e.
var build = sync.OnceValues(func() (string, error) {
	var err error
	if folder, err = os.MkdirTemp("", "wafer-"); err != nil {
		return "", err
	}
	program := filepath.Join(folder, "wafer")
	if out, err := exec.Command("go", "build", "-C", filepath.Join("..", "..", ".."), "-o", program, "./cmd/wafer").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return program, nil
})

// StartDemo starts a demo with three replicas. args are added to its command line, and env to its environment. At the end
// it must stop as it is told to, also while pages have streams open.
func StartDemo(t *testing.T, args []string, env ...string) *Demo {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"demo", "--addr", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(append(os.Environ(), "WAFER_ADMIN_TOKEN=", "TMPDIR="+t.TempDir()), env...)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the demo ended with %v", err)
			}
		case <-time.After(Patience):
			cmd.Process.Kill()
			t.Error("the demo did not end")
		}
	})
	d, ready := &Demo{}, make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := regexp.MustCompile(`^ *(page|admin token) +(\S+)$`).FindStringSubmatch(lines.Text()); m == nil {
				continue
			} else if m[1] == "page" {
				d.URL = m[2]
			} else {
				d.Token = m[2]
				close(ready)
			}
		}
		ended <- cmd.Wait()
	}()
	select {
	case <-ready:
	case <-time.After(Patience):
		t.Fatal("the demo did not start")
	}
	return d
}

// Revoke ends sessions by the admin API, and returns when the demo has acknowledged that.
func (d *Demo) Revoke(t *testing.T, scope, id string) time.Time {
	t.Helper()
	body := fmt.Sprintf(`{"scope":%q,"id":%q,"reason":"test"}`, scope, id)
	r, err := http.NewRequestWithContext(t.Context(), "POST", d.URL+"admin/revocations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.Token)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("revoking: %s", res.Status)
	}
	return time.Now()
}

// Login signs in on the page of the demo.
func (d *Demo) Login(b *Tab, user string) {
	b.t.Helper()
	b.Await("the login form", `document.readyState === "complete" && !document.querySelector("#login").hidden`)
	b.Fill("#user", user)
	b.Click("#login button")
	b.Await("signed in", `!document.querySelector("#session").hidden`)
}
