package proxies

import (
	"fmt"
	"strings"
	"testing"
)

// statuses of a configuration.
type statuses struct{ defaults, tested int }

func (s statuses) of(p *proxy) int {
	if p.conf == "defaults" {
		return s.defaults
	}
	return s.tested
}

// Only a proxy that passes the Host header on lets the application see that a form is its own, and
// lets the admin API see that its name was asked for.
func testHosts(t *testing.T, p *proxy) {
	form, api, foreign := statuses{403, 200}, statuses{421, 200}, statuses{421, 403}
	if p.name == "haproxy" { // which passes it on
		form, api, foreign = statuses{200, 200}, statuses{200, 200}, statuses{403, 403}
	}
	b := p.browser(t, true)
	b.ok("POST", shop+"/login?user=ada")
	for _, row := range []struct {
		what, header, value string
		want                statuses
	}{
		{"a form in a browser of today", "Sec-Fetch-Site", "same-origin", statuses{200, 200}},
		{"a form in an older browser", "Origin", shop, form},
		{"a form of another site", "Sec-Fetch-Site", "cross-site", statuses{403, 403}},
		{"a form of another site in an older browser", "Origin", "https://evil.example", statuses{403, 403}},
	} {
		b.header = map[string][]string{row.header: {row.value}}
		if a := b.send("POST", shop+"/write", ""); a.StatusCode != row.want.of(p) {
			t.Errorf("%s: status %s, want %d", row.what, a.Status, row.want.of(p))
		}
	}

	operator := p.operator(t)
	for _, row := range []struct {
		what, origin string
		want         statuses
	}{
		{"a program", "", api},
		{"a page of its own", console, api},
		{"a page of another origin", shop, foreign},
	} {
		if operator.header.Del("Origin"); row.origin != "" {
			operator.header.Set("Origin", row.origin)
		}
		if a := operator.send("POST", console+"/revocations/lookup", `{"scope":"subject","id":"ada"}`); a.StatusCode != row.want.of(p) {
			t.Errorf("the admin API for %s: status %s, want %d: %s", row.what, a.Status, row.want.of(p), a.text)
		}
	}
}

// operator returns a client of the admin API.
func (p *proxy) operator(t *testing.T) *browser {
	b := p.browser(t, true)
	b.header.Set("Authorization", "Bearer "+p.fleet.all[0].AdminToken)
	b.header.Set("Content-Type", "application/json")
	return b
}

// Audit records have the address of the client, also if it makes another one up.
func testAddress(t *testing.T, p *proxy) {
	madeUp := fmt.Sprintf("203.0.113.%d", 1+len(p.name)) // another one for each kind
	b := p.browser(t, true)
	b.header.Set("X-Forwarded-For", madeUp)
	if p.conf == "defaults" {
		b.ok("POST", shop+"/login?user=eve")
		b.ok("POST", shop+"/logout")
		believed := strings.Contains(p.fleet.audit(), `"address":"`+madeUp+`:0"`)
		if adds := p.name == "apache"; believed == adds {
			t.Errorf("the application believes what a client makes up: %v", believed)
		}
		return
	}
	operator := p.operator(t)
	operator.header.Set("X-Forwarded-For", madeUp)
	body := fmt.Sprintf(`{"scope":"subject","id":"heidi","reason":"through %s"}`, p.name)
	if a := operator.send("POST", console+"/revocations", body); a.StatusCode != 200 {
		t.Fatalf("status %s: %s", a.Status, a.text)
	}
	for line := range strings.Lines(p.fleet.audit()) {
		if strings.Contains(line, "through "+p.name) {
			if !strings.Contains(line, `"address":"`+client+`:0"`) {
				t.Errorf("the record has another address: %s", line)
			}
			return
		}
	}
	t.Error("no audit record")
}
