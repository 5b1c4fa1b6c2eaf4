package browsertest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// axe is the script of axe-core, which finds what keeps people from using a page.
var axe = sync.OnceValues(func() (string, error) {
	b, err := os.ReadFile(filepath.Join("..", "internal", "browsertest", "axe", "node_modules", "axe-core", "axe.min.js"))
	return string(b), err
})

// A violation is a rule of axe-core that a page breaks.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

// Accessible checks the page with axe-core, in light and in dark. Serious and critical violations fail the test, lesser
// ones are logged.
func (b *Tab) Accessible(name string) {
	b.t.Helper()
	script, err := axe()
	if err != nil {
		say := b.t.Skipf
		if os.Getenv("CI") == "true" {
			say = b.t.Fatalf
		}
		say("axe-core is not installed (%v): run .ci/tools e2e, or npm ci in testdata/e2e/internal/browsertest/axe", err)
	}
	for _, scheme := range []string{"light", "dark"} {
		b.Scheme(scheme)
		b.Evaluate(script + "; 0")
		for _, v := range Value[[]violation](b, `document.getAnimations().forEach(a => a.cancel()), axe.run({ resultTypes: ["violations"] }).then(r => r.violations)`) {
			say := b.t.Logf
			if slices.Contains([]string{"serious", "critical"}, v.Impact) {
				say = b.t.Errorf
			}
			for _, n := range v.Nodes {
				say("%s, %s: %s: %s (%s): %s: %s", name, scheme, v.Impact, v.Help, v.ID, n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", " "))
			}
		}
	}
	b.Scheme("")
}
