package proxies

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const pagePath = "../../../docs/proxies.md"

var writePage = flag.Bool("proxies.page", false, "write the sizes that were measured into docs/proxies.md")

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The page shows the configurations that the tests use.
func TestPageShowsTheConfigurations(t *testing.T) {
	text := page(t)
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(files) != 2*len(kinds) {
		t.Fatalf("%v, %v", files, err)
	}
	for _, k := range kinds {
		if !strings.Contains(text, "\n\n```\n"+k.read(t, "tested")+"```\n") {
			t.Errorf("docs/proxies.md does not show testdata/%s.conf as it is", k.name)
		}
		if name := "testdata/e2e/proxies/testdata/" + k.name + "-defaults.conf"; !strings.Contains(text, name) {
			t.Errorf("docs/proxies.md does not name %s", name)
		}
	}
}

const (
	tableHead = "| | one cookie: other headers of the answer | one cookie: other cookies | three cookies: other headers of the answer | three cookies: other cookies |\n|---|---|---|---|---|\n"
	tableEnd  = "\n\n"
)

// checkTable compares the table of sizes on the page with what was measured, or writes it.
func checkTable(t *testing.T, all []*proxy, rooms map[*proxy][]room) {
	t.Helper()
	var table strings.Builder
	for _, p := range all {
		name := map[string]string{"defaults": "by default", "tested": "as below"}[p.conf]
		fmt.Fprintf(&table, "| %s, %s |", strings.Replace(p.name, "apache", "Apache", 1), name)
		for _, r := range rooms[p] {
			fmt.Fprintf(&table, " %s |", r)
		}
		table.WriteString("\n")
	}
	measured := strings.TrimSpace(table.String())
	text := page(t)
	before, rest, _ := strings.Cut(text, tableHead)
	written, after, ok := strings.Cut(rest, tableEnd)
	switch {
	case !ok:
		t.Error("docs/proxies.md has no table of sizes")
	case *writePage:
		if err := os.WriteFile(pagePath, []byte(before+tableHead+measured+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case !alike(measured, written):
		t.Errorf("docs/proxies.md says\n%s\nand measured was\n%s\nWrite it with -proxies.page.", written, measured)
	}
}

var sizes = regexp.MustCompile(`[\d,]+ bytes`)

// alike reports whether two tables say the same, and sizes differ by at most 50 bytes: a session
// takes some bytes more or less from time to time, and Go some other headers.
func alike(a, b string) bool {
	if sizes.ReplaceAllString(a, "") != sizes.ReplaceAllString(b, "") {
		return false
	}
	in := sizes.FindAllString(b, -1)
	for i, size := range sizes.FindAllString(a, -1) {
		if d := bytesOf(size) - bytesOf(in[i]); d < -50 || d > 50 {
			return false
		}
	}
	return true
}

func bytesOf(size string) int {
	n, _ := strconv.Atoi(strings.ReplaceAll(strings.TrimSuffix(size, " bytes"), ",", ""))
	return n
}
