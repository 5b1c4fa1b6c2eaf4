package oauth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/oauth"
)

// The commands of docs/oauth.md do what the page says.
func TestThePagesCommandsWork(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	page, err := os.ReadFile("../../docs/oauth.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 3 {
		t.Fatalf("the page has %d commands", len(blocks))
	}
	f := start(t, all, func(c *oauth.Config) { c.Clients = map[string]string{"gateway": secret} })
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth/introspect", f.Endpoints.Introspect)
	mux.HandleFunc("/oauth/revoke", f.Endpoints.Revoke)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	bearer, err := f.Issue(t.Context(), httpmw.Identity{Subject: "robot-7"}, data{}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cookie := f.login(t)[cookieName]
	run := func(command string) map[string]any {
		t.Helper()
		c := exec.CommandContext(t.Context(), "sh", "-c", command)
		c.Env = append(os.Environ(), "SECRET="+secret, "TOKEN="+bearer, "SESSION="+cookie, "SEEN=", "URL="+server.URL, "no_proxy=*")
		out, err := c.Output()
		var body map[string]any
		if exit, _ := errors.AsType[*exec.ExitError](err); err != nil {
			t.Fatalf("%s: %v %s", command, err, exit.Stderr)
		}
		if len(out) > 0 {
			if err := json.Unmarshal(out, &body); err != nil {
				t.Fatalf("%s printed %q", command, out)
			}
		}
		return body
	}
	shown := map[string]any{}
	line := regexp.MustCompile(`(?m)^    (\{"active":true.*\})$`).FindSubmatch(page)
	if line == nil || json.Unmarshal(line[1], &shown) != nil {
		t.Fatal("the page shows no answer")
	}
	got := run(blocks[0][1])
	for name := range shown {
		if _, ok := got[name]; !ok || len(got) != len(shown) {
			t.Errorf("the answer is %v, and the page shows %v", got, shown)
		}
	}
	if got["sub"] != "robot-7" || got["token_type"] != "Bearer" {
		t.Errorf("the answer is %v", got)
	}
	if got := run(blocks[1][1]); got != nil {
		t.Errorf("revoking answered %v", got)
	}
	if got := run(blocks[0][1]); len(got) != 1 || got["active"] != false {
		t.Errorf("after it was revoked: %v", got)
	}
	if got := run(blocks[2][1]); got["active"] != true || got["token_type"] != "N_A" {
		t.Errorf("cookies: %v", got)
	}
}
