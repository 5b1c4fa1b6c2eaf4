package ops_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A rule is one alert of alerts.yml.
type rule struct{ name, text string }

// rules returns the alerts. They are read by indentation; promtool reads them properly in testdata/e2e.
func rules(t *testing.T) (all []rule) {
	t.Helper()
	for _, part := range strings.Split(read(t, "alerts.yml"), "\n  - alert: ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n- name: ")
		all = append(all, rule{name, text})
	}
	if len(all) < 20 {
		t.Fatalf("only %d alerts found", len(all))
	}
	return all
}

func TestRulesUseMetricsThatExist(t *testing.T) {
	k := scraped(t)
	for _, line := range strings.Split(read(t, "alerts.yml"), "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			if wrong := k.wrong(line); len(wrong) > 0 {
				t.Errorf("nothing exports %q: %s", wrong, line)
			}
		}
	}
}

// An engineer who is woken finds what happened, how bad it is and what to do.
func TestEveryAlertIsExplained(t *testing.T) {
	const page = "https://github.com/wafer-sessions/wafer/blob/main/docs/ops/runbook.md#"
	entries := map[string]string{}
	for _, part := range strings.Split(read(t, "runbook.md"), "\n### ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		entries[name] = text
	}
	var seen []string
	for _, r := range rules(t) {
		if slices.Contains(seen, r.name) {
			t.Errorf("%s is there twice", r.name)
		}
		seen = append(seen, r.name)
		for _, want := range []string{
			`(?m)^    labels: \{severity: (page|ticket)\}$`, `(?m)^      summary: '.{10,}'$`, `(?m)^      description: '.{20,}'$`,
			`(?m)^      runbook_url: ` + regexp.QuoteMeta(page+strings.ToLower(r.name)) + `$`,
		} {
			if !regexp.MustCompile(want).MatchString(r.text) {
				t.Errorf("%s lacks %s", r.name, want)
			}
		}
		entry, ok := entries[r.name]
		if !ok {
			t.Errorf("runbook.md has no entry %s", r.name)
		}
		for _, part := range []string{"- **Meaning:** ", "- **Users see:** ", "- **Do first:** "} {
			if ok && !strings.Contains(entry, "\n"+part) {
				t.Errorf("runbook.md does not say for %s: %s", r.name, part)
			}
		}
	}
	for name := range entries {
		if !slices.Contains(seen, name) {
			t.Errorf("runbook.md has an entry %s, which is no alert", name)
		}
	}
}
