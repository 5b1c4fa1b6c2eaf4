package browser

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

// The other tests would notice an error, an exception, and what the console's policy forbids.
func TestComplaintsAreHeard(t *testing.T) {
	t.Parallel()
	s, p := newSite(t, httpmw.Config{}), browsertest.NewProfile(t, "")
	b := p.Tab(s.https(home, "/admin/"))
	for script, want := range map[string]string{
		`console.error("an error")`:                   "an error",
		`setTimeout(() => { throw "an exception"; })`: "exception: Uncaught an exception",
		`document.body.append(Object.assign(document.createElement("script"), { textContent: "1" }))`: "issue: ContentSecurityPolicyIssue",
		`document.body.setAttribute("style", "color: red")`:                                           "Content Security Policy",
		`fetch("/nothing")`: "status of 404",
	} {
		b.Evaluate(script + "; 0")
		heard := func() bool {
			return slices.ContainsFunc(p.Said(), func(said string) bool { return strings.Contains(said, want) })
		}
		for deadline := time.Now().Add(browsertest.Patience); !heard(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: heard %q", script, p.Said())
			}
		}
	}
}
