package wafer_test

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func readme(t *testing.T) string { return page(t, "README.md") }

func page(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The program in the README is the Example of this folder, as a main package.
func TestReadmeShowsTheExample(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("package wafer_test\n", "package main\n", "func Example() {", "func main() {").Replace(string(source))
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```\n").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("README.md holds %d pieces of Go, want the first lines and the program: nothing compiles others", len(blocks))
	}
	if blocks[1][1] != want {
		t.Errorf("README.md shows another program than example_test.go; it should be\n%s", want)
	}
	first, err := os.ReadFile("first_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(first), "// README:\n")
	lines, _, found := strings.Cut(lines, "}\n\n// end\n")
	if lines = regexp.MustCompile("(?m)^\t").ReplaceAllString(lines, ""); !found || blocks[0][1] != lines {
		t.Errorf("README.md begins with other lines than first_test.go; they should be\n%s", lines)
	}
}

// The program in the README works.
func TestTheExampleWorks(t *testing.T) {
	server := httptest.NewServer(newApp(t.Context(), t.TempDir()))
	defer server.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	ada := &http.Client{Jar: jar}
	ask := func(c *http.Client, method, path string, form url.Values) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	want := func(c *http.Client, method, path string, form url.Values, status int, text string) {
		t.Helper()
		if got, body := ask(c, method, path, form); got != status || !strings.Contains(body, text) {
			t.Fatalf("%s %s: %d %q, want %d %q", method, path, got, body, status, text)
		}
	}

	want(ada, "GET", "/", nil, http.StatusUnauthorized, "")
	want(ada, "POST", "/login", url.Values{"user": {"ada"}}, http.StatusOK, "")
	want(ada, "POST", "/basket", url.Values{"item": {"bread"}}, http.StatusOK, "")
	want(ada, "GET", "/", nil, http.StatusOK, `ada has ["bread"]`)

	stolen, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	home, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	stolen.SetCookies(home, jar.Cookies(home))
	thief := &http.Client{Jar: stolen}
	want(thief, "GET", "/", nil, http.StatusOK, "ada")
	want(ada, "POST", "/logout", nil, http.StatusOK, "")
	for deadline := time.Now().Add(2 * time.Second); ; {
		status, _ := ask(thief, "GET", "/", nil)
		if status == http.StatusUnauthorized {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a copied cookie outlived the logout")
		}
	}

	want(ada, "POST", "/login", url.Values{"user": {"<script>"}}, http.StatusOK, "")
	resp, err := ada.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("a page that begins with a name is %s", got)
	}
}

// People copy examples and pages. None of them shows a client the text of an error, which may name
// a host of the store, and none serves without timeouts.
func TestExamplesAreFitToBeCopied(t *testing.T) {
	var files []string
	for _, pattern := range []string{
		"*.md", "docs/*.md", "example*_test.go", "*/example*_test.go", "*/*/example*_test.go", "httpmw/backchannel/endtoend_test.go",
		"testdata/frameworks/*.go", "testdata/migrate/*.go",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 20 {
		t.Fatalf("only %q found", files)
	}
	bad := regexp.MustCompile(`http\.Error\(w, err\.|Fprint[a-z]*\(w, .*\b(err|Cause\([a-z]+\))\)|http\.(ListenAndServe|Serve)(TLS)?\(`)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(b), "\n") {
			if bad.MatchString(line) {
				t.Errorf("%s:%d: %s", name, i+1, strings.TrimSpace(line))
			}
		}
	}
}

// The table of dependencies names every imported module, no other module, and places where each is
// used.
func TestReadmeShowsTheBenchmarks(t *testing.T) {
	figures := func(name string) []string {
		return regexp.MustCompile(`(?m)\| [^|]*\d× \| [^|]*\d× \|$`).FindAllString(page(t, name), -1)
	}
	shown, measured := figures("README.md"), figures("docs/benchmarks.md")
	if len(shown) < 5 || !slices.Equal(shown, measured) {
		t.Errorf("README.md shows %q, docs/benchmarks.md %q", shown, measured)
	}
}

// The table of dependencies names every module that is imported, and no other, and places where it
// is used.
func TestEveryDependencyIsExplained(t *testing.T) {
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^` ]+/[^` ]+)` \\| ([^|]*) \\| [^|]{10,} \\|$").FindAllStringSubmatch(page(t, "CONTRIBUTING.md"), -1) {
		rows[m[1]] = regexp.MustCompile("[a-z/]+").FindAllString(m[2], -1)
	}
	imported := importedModules(t)
	for path, users := range imported {
		in, listed := rows[path]
		if !listed {
			t.Errorf("CONTRIBUTING.md does not say why %s is needed", path)
			continue
		}
		places := users.code
		if slices.Contains(testOnly, path) {
			places = []string{"tests"}
		}
		if len(in) == 0 {
			t.Errorf("CONTRIBUTING.md does not say where %s is used", path)
		}
		for _, place := range in {
			if !slices.Contains(places, place) {
				t.Errorf("CONTRIBUTING.md says that %s is used in %s, and it is in %v", path, place, places)
			}
		}
	}
	for path := range rows {
		if imported[path] == nil {
			t.Errorf("CONTRIBUTING.md lists %s, which nothing imports", path)
		}
	}
}

// Every relative link of a page leads to a file that exists and, if it names one, to a heading of
// that page.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more = append(more, deeper...)
	link := regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)
	n := 0
	for _, name := range append(pages, more...) {
		for _, m := range link.FindAllStringSubmatch(prose(page(t, name)), -1) {
			n++
			target := name
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(name), m[1])
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", name, err)
			} else if m[2] != "" && !slices.Contains(anchors(page(t, target)), m[2]) {
				t.Errorf("%s: %s has no heading #%s", name, target, m[2])
			}
		}
	}
	if n < 50 {
		t.Errorf("found %d links", n)
	}
}

// prose returns a page without its blocks of code.
func prose(page string) string {
	return regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(page, "")
}

// anchors returns the names by which GitHub links to the headings of a page.
func anchors(page string) []string {
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^#+ +(.*)$`).FindAllStringSubmatch(prose(page), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// The errors and log lines that a page quotes stand in the code; "…" is the rest of one.
func TestPagesQuoteMessagesThatExist(t *testing.T) {
	var code strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			code.WriteString(page(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range append(pages, "README.md", "SECURITY.md") {
		for _, m := range regexp.MustCompile("`((?:gorilla|httpmw|keys|redisstore|revocation|token): [a-zF][^`]*)`").FindAllStringSubmatch(prose(page(t, name)), -1) {
			n++
			if message := strings.TrimRight(m[1], ": …"); !strings.Contains(code.String(), `"`+message) {
				t.Errorf("%s: nothing says %q", name, message)
			}
		}
	}
	if n < 8 {
		t.Errorf("found %d messages", n)
	}
}
