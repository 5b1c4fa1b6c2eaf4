package alerts

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// scale is by how much faster the rules are here: a minute takes a second.
const scale = 60

var (
	window   = regexp.MustCompile(`(\[)(\d+[smhd])(\])`)
	duration = regexp.MustCompile(`(?m)(^ +for: )(\d+[smhd])($)`)
)

// scaled returns rules with all durations divided by scale.
func scaled(rules string) string {
	for _, place := range []*regexp.Regexp{window, duration} {
		rules = place.ReplaceAllStringFunc(rules, func(s string) string {
			m := place.FindStringSubmatch(s)
			return fmt.Sprintf("%s%dms%s", m[1], parse(m[2]).Milliseconds()/scale, m[3])
		})
	}
	return rules
}

// parse reads a duration as the rules have it.
func parse(s string) time.Duration {
	n, err := strconv.Atoi(s[:len(s)-1])
	if err != nil {
		panic(err)
	}
	return time.Duration(n) * map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[s[len(s)-1]]
}

func TestScaled(t *testing.T) {
	const rules = "- record: a:b:ratio_rate5m\n  expr: rate(a[5m]) / rate(a[6h]) > 60 * 2 and b[1] > 900\n  for: 30m\n  description: for 30m\n"
	const want = "- record: a:b:ratio_rate5m\n  expr: rate(a[5000ms]) / rate(a[360000ms]) > 60 * 2 and b[1] > 900\n  for: 30000ms\n  description: for 30m\n"
	if got := scaled(rules); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
