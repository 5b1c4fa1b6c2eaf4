package tab

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A demo is a process of wafer demo.
type demo struct{ url, token string }

// startDemo builds the command and starts a demo with three replicas. At the end it must stop as it is told to, also
// while pages have streams open.
func startDemo(t *testing.T) *demo {
	t.Helper()
	program := filepath.Join(t.TempDir(), "wafer")
	if out, err := exec.Command("go", "build", "-C", filepath.Join("..", "..", ".."), "-o", program, "./cmd/wafer").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	cmd := exec.Command(program, "demo", "--addr", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "WAFER_ADMIN_TOKEN=", "TMPDIR="+t.TempDir())
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
		case <-time.After(patience):
			cmd.Process.Kill()
			t.Error("the demo did not end")
		}
	})
	d, ready := &demo{}, make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := regexp.MustCompile(`^ *(page|admin token) +(\S+)$`).FindStringSubmatch(lines.Text()); m == nil {
				continue
			} else if m[1] == "page" {
				d.url = m[2]
			} else {
				d.token = m[2]
				close(ready)
			}
		}
		ended <- cmd.Wait()
	}()
	select {
	case <-ready:
	case <-time.After(patience):
		t.Fatal("the demo did not start")
	}
	return d
}

// revoke ends all sessions of a user, and returns when the demo has acknowledged that.
func (d *demo) revoke(t *testing.T, user string) time.Time {
	t.Helper()
	body := fmt.Sprintf(`{"scope":"subject","id":%q,"reason":"test"}`, user)
	r, err := http.NewRequestWithContext(t.Context(), "POST", d.url+"admin/revocations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token)
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

// demoLogin signs in on the page of the demo.
func (b *tab) demoLogin(user string) {
	b.t.Helper()
	b.await("the login form", `document.readyState === "complete" && !document.querySelector("#login").hidden`)
	b.run(chromedp.SetValue(chromedp.CSS("#user"), user), chromedp.Click(chromedp.CSS("#login button")))
	b.await("signed in", `!document.querySelector("#session").hidden`)
}

// Revoked by the admin API, the page is hidden in every tab of every browser of the user.
func TestRevokedByTheAdminAPI(t *testing.T) {
	t.Parallel()
	d, browser := startDemo(t), chromium(t)
	const refused = "/api/devices" // the page asks for them now and then, also at the moment of the revocation
	laptop, phone := newProfile(t, browser, refused), newProfile(t, browser, refused)
	one, two, three := laptop.tab(d.url), laptop.tab(d.url), phone.tab(d.url)
	var took []time.Duration
	for round := range 3 {
		one.demoLogin("ada") // which two notices
		three.demoLogin("ada")
		tabs := []*tab{one, two, three}
		for _, b := range tabs {
			b.await("an open page", isOpen)
			b.evaluate(`document.addEventListener("wafer:ended", () => { window.hiddenAt = Date.now(); }, { once: true }); 0`)
		}
		time.Sleep(time.Duration(round) * 150 * time.Millisecond) // at another moment between two polls
		acknowledged := d.revoke(t, "ada")
		for _, b := range tabs {
			b.await("revoked", isLocked)
			at, err := chromedp.Run(b.ctx, chromedp.Evaluate[float64](`window.hiddenAt`))
			if err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Duration(int64(at)-acknowledged.UnixMilli())*time.Millisecond)
		}
		one.screen("demo-ended")
		one.click(".wafer-tab a")
		three.click(".wafer-tab a")
	}
	slices.Sort(took)
	t.Logf("pages were hidden after %v, median %v", took, took[len(took)/2])
	if took[len(took)/2] > 5*time.Second {
		t.Error("that is far too long, even on a machine with much else to do")
	}

	// Its own sign-out is no surprise: the page stays, and the other tab is hidden.
	one.demoLogin("ada")
	two.await("its owner is back", isOpen)
	one.click(`[data-end="/logout"]`)
	two.await("signed out in the other tab", isLocked)
	one.await("signed out here", `document.documentElement.dataset.wafer === "none" && !document.querySelector("#login").hidden && !document.querySelector("dialog[open]")`)
}
