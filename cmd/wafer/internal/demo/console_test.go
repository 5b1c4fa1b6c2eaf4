package demo_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The token that the demo prints signs in to its console, whichever replica answers. There the session
// of a user is ended, and the records say so.
func TestTheConsole(t *testing.T) {
	p := start(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	operator := &http.Client{Jar: jar}
	do := func(method, path, contentType, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		resp, err := operator.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	if _, page := do(http.MethodGet, "/", "", ""); !strings.Contains(page, `href="/admin/"`) {
		t.Error("the page of the demo does not lead to the console")
	}
	if status, page := do(http.MethodGet, "/admin/", "", ""); status != http.StatusOK || !strings.Contains(page, `action="sign-in"`) {
		t.Errorf("the console: %d %s", status, page)
	}
	// The client follows to the page, at another replica.
	status, page := do(http.MethodPost, "/admin/sign-in", "application/x-www-form-urlencoded", url.Values{"token": {p.token}}.Encode())
	if status != http.StatusOK || strings.Contains(page, `action="sign-in"`) || !strings.Contains(page, "demo") {
		t.Fatalf("sign-in: %d %s", status, page)
	}
	ada := p.login("ada")
	for range 6 {
		if status, _ := do(http.MethodGet, "/admin/status", "", ""); status != http.StatusOK {
			t.Errorf("status: %d", status)
		}
	}
	if status, answer := do(http.MethodPost, "/admin/revocations", "application/json", `{"scope":"subject","id":"ada","reason":"drill"}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	ada.refusedWithin(p, time.Now(), promised)
	var trail struct {
		Records []struct {
			Action, Actor, Reason string
			Replica               int
		}
	}
	if _, text := do(http.MethodGet, "/admin/audit", "", ""); json.Unmarshal([]byte(text), &trail) != nil || len(trail.Records) < 2 {
		t.Fatalf("audit: %s", text)
	}
	if r := trail.Records[0]; r.Action != "revoke" || r.Actor != "demo" || r.Reason != "drill" || r.Replica == 0 {
		t.Errorf("the newest record: %+v", r)
	}
	if status, page := do(http.MethodPost, "/admin/sign-out", "application/x-www-form-urlencoded", ""); status != http.StatusOK || !strings.Contains(page, `action="sign-in"`) {
		t.Errorf("sign-out: %d %s", status, page)
	}
	if status, _ := do(http.MethodGet, "/admin/status", "", ""); status != http.StatusUnauthorized {
		t.Errorf("after the sign-out: %d", status)
	}
}
