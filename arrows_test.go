package wafer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/wafer-sessions/wafer"

// arrows says which packages of this module each package may import, also in its tests unless
// testArrows adds some. Every new package needs an entry here.
var arrows = map[string][]string{
	"internal/faults":              {}, // tests only
	"internal/ops":                 {}, // tests only
	"internal/jwe":                 {},
	"internal/meter":               {},
	"internal/strictjson":          {},
	"internal/bubble":              {},
	"internal/eventstream":         {},
	"internal/histogram":           {},
	"internal/foreign":             {"token", "keys", "internal/replica"},
	"internal/lograte":             {},
	"internal/nextcheck":           {},
	"internal/sketch":              {},
	"internal/secrets":             {},
	"internal/apptest":             {},
	"internal/logtest":             {},
	"audit":                        {},
	"internal/adminapi":            {"audit", "keys", "revocation", "revocation/revlog", "internal/replica"},
	"internal/rediscluster":        {},
	"internal/redislog":            {"internal/lograte"},
	"internal/redistest":           {},
	"keys":                         {"audit", "internal/jwe", "internal/lograte", "internal/meter", "internal/nextcheck", "internal/secrets", "internal/strictjson"},
	"keys/rediskeys":               {"audit", "keys", "internal/lograte", "internal/meter", "internal/nextcheck", "internal/jwe", "internal/rediscluster", "internal/redislog"},
	"token":                        {"keys", "revocation/revlog", "internal/jwe", "internal/strictjson"},
	"internal/replica":             {"audit", "revocation/revlog", "internal/histogram", "internal/lograte", "internal/sketch"},
	"revocation":                   {"audit", "revocation/revlog", "internal/histogram", "internal/replica"},
	"revocation/revlog":            {},
	"revocation/boltstore":         {"revocation/revlog"},
	"revocation/redisstore":        {"revocation/revlog", "internal/lograte", "internal/rediscluster", "internal/redislog"},
	"revocation/revlog/revlogtest": {"revocation/revlog"},
	"httpmw":                       {"audit", "token", "keys", "revocation", "revocation/revlog", "internal/eventstream", "internal/foreign", "internal/histogram", "internal/replica"},
	"httpmw/adopt":                 {"httpmw", "token", "internal/foreign"},
	"httpmw/admin":                 {"audit", "keys", "revocation", "revocation/revlog", "internal/adminapi", "internal/secrets"},
	"httpmw/admin/console":         {"audit", "httpmw", "httpmw/admin", "keys", "revocation", "revocation/revlog", "internal/adminapi", "internal/eventstream", "internal/replica"},
	"httpmw/backchannel":           {"audit", "httpmw", "revocation", "internal/strictjson"},
	"httpmw/devices":               {"audit", "httpmw", "revocation", "internal/lograte"},
	"httpmw/devices/devicestest":   {"httpmw", "httpmw/devices", "keys", "revocation", "revocation/revlog"},
	"httpmw/devices/redisdevices":  {"httpmw/devices", "internal/rediscluster", "internal/redislog"},
	"httpmw/devices/sqldevices":    {"httpmw/devices"},
	"httpmw/gorilla":               {"httpmw", "httpmw/adopt", "internal/lograte"},
	"httpmw/oauth":                 {"audit", "httpmw", "revocation", "internal/foreign", "internal/lograte", "internal/secrets"},
	"httpmw/prom":                  {"keys", "revocation", "internal/histogram", "internal/metrics"},
	"httpmw/otel":                  {"keys", "revocation", "internal/histogram", "internal/metrics"},
	"internal/metrics":             {"httpmw", "httpmw/adopt", "httpmw/devices", "keys", "revocation", "revocation/revlog", "internal/histogram", "internal/replica"},
	"httpmw/wafertest":             {"httpmw", "token", "keys", "revocation", "revocation/revlog", "revocation/revlog/revlogtest"},
}

// testArrows adds what the tests of a package may import.
var testArrows = map[string][]string{
	"revocation/boltstore": {"revocation"},
	"internal/adminapi":    {"internal/meter"},
	// tests start a whole replica
	"revocation/redisstore":       {"revocation", "internal/replica", "internal/redistest", "httpmw", "keys", "keys/rediskeys"},
	"httpmw/adopt":                {"keys", "revocation", "revocation/revlog"},
	"httpmw/gorilla":              {"keys", "revocation", "revocation/revlog", "httpmw/wafertest"},
	"httpmw/devices":              {"httpmw/devices/devicestest", "keys", "revocation/revlog"},
	"httpmw/devices/redisdevices": {"httpmw/devices/devicestest", "internal/redistest"},
	"httpmw/oauth":                {"keys", "revocation/revlog"},
	"httpmw/otel":                 {"httpmw", "httpmw/adopt", "httpmw/devices"},
	"httpmw/prom":                 {"httpmw", "httpmw/adopt", "httpmw/backchannel", "httpmw/devices", "httpmw/oauth", "revocation/revlog"},
	"keys/rediskeys":              {"internal/redistest", "httpmw", "revocation", "revocation/revlog"},
	"token":                       {"internal/meter"},
	"httpmw":                      {"internal/meter"},
	"httpmw/admin":                {"internal/meter", "internal/replica"},
	"httpmw/admin/console":        {"revocation/revlog", "internal/redistest", "revocation/redisstore", "keys/rediskeys"},
	// tests start a whole application
	"internal/ops":       {"httpmw", "httpmw/adopt", "httpmw/devices", "httpmw/prom", "internal/metrics", "keys", "revocation", "revocation/revlog"},
	"internal/faults":    {"keys", "keys/rediskeys", "revocation", "revocation/redisstore", "httpmw", "internal/redistest", "internal/apptest"},
	"httpmw/backchannel": {"keys", "revocation/revlog"}, // the rings of its test replicas
}

// allTests may be imported by the tests of every package.
var allTests = []string{"internal/bubble", "internal/logtest", "revocation/revlog/revlogtest"}

// noHTTP are the packages that must work without net/http, in their indirect dependencies too.
var noHTTP = []string{"internal/jwe", "keys", "token", "revocation", "internal/replica", "revocation/boltstore"}

// outside says which packages may import modules of others, in code and in tests. The modules in
// testOnly may be imported by all tests, and by the code of the named packages, which are made for
// tests.
var outside = map[string][]string{
	"github.com/bits-and-blooms/bloom/v3": {"internal/replica"},
	"github.com/fsnotify/fsnotify":        {"keys"},
	"github.com/gorilla/securecookie":     {"httpmw/gorilla", ""}, // "": the tests of this folder
	"github.com/hashicorp/golang-lru/v2":  {"internal/replica"},
	"github.com/lestrrat-go/jwx/v3":       {"httpmw/backchannel"},
	"github.com/prometheus/client_golang": {"httpmw/prom", "cmd/wafer/internal/demo", "internal/ops"},
	"github.com/prometheus/client_model":  {"httpmw/prom", "internal/ops"},
	"go.opentelemetry.io/otel":            {"httpmw/otel"},
	"go.opentelemetry.io/otel/metric":     {"httpmw/otel"},
	"github.com/redis/go-redis/v9":        {"keys/rediskeys", "revocation/redisstore", "internal/rediscluster", "internal/redislog", "httpmw/devices/redisdevices", "cmd/wafer/internal/demo", ""},
	"github.com/spf13/cobra":              {"cmd/wafer"},
	"go.etcd.io/bbolt":                    {"revocation/boltstore"},
	"golang.org/x/crypto":                 {"keys"},
	"golang.org/x/sync":                   {"keys", "keys/rediskeys", "internal/replica", "revocation/redisstore", "httpmw", "httpmw/admin"},
	"github.com/google/go-cmp":            {"revocation/revlog/revlogtest", "httpmw/wafertest", "httpmw/devices/devicestest"},
	"github.com/rogpeppe/go-internal":     nil,
}

var testOnly = []string{"github.com/google/go-cmp", "github.com/rogpeppe/go-internal"}

func TestArrowsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		name := p.name()
		// the tests of this folder, or the command, which may import everything
		if name == "" || strings.HasPrefix(name, "cmd/") {
			continue
		}
		allowed, placed := arrows[name]
		if !placed {
			t.Errorf("%s has no place in the arrows", name)
			continue
		}
		check := func(imports []string, kind string, allowed ...string) {
			for _, path := range imports {
				if to, own := ours(path); own && !slices.Contains(allowed, to) {
					t.Errorf("%s %s %s", name, kind, to)
				}
			}
		}
		check(p.Imports, "imports", allowed...)
		check(slices.Concat(p.TestImports, p.XTestImports), "imports in its tests", slices.Concat(allowed, testArrows[name], allTests, []string{name})...)
	}
}

func TestSomePackagesKnowNoHTTP(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains(noHTTP, p.name()) && slices.Contains(p.Deps, "net/http") {
			t.Errorf("%s depends on net/http", p.name())
		}
	}
}

func TestNothingImportsTheCommand(t *testing.T) {
	for _, p := range packages(t) {
		if strings.HasPrefix(p.name(), "cmd/") {
			continue
		}
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if to, own := ours(path); own && strings.HasPrefix(to, "cmd/") {
				t.Errorf("%s imports %s", p.name(), to)
			}
		}
	}
}

func TestModulesOfOthersStayInTheirPlaces(t *testing.T) {
	for path, users := range importedModules(t) {
		allowed, known := outside[path]
		if !known {
			t.Errorf("%s is imported by %v and is not in the table: name the packages that may, and tell README.md why", path, users.code)
			continue
		}
		all := slices.Concat(users.code, users.tests)
		if slices.Contains(testOnly, path) {
			all = users.code
		}
		for _, user := range all {
			if !slices.Contains(allowed, user) {
				t.Errorf("%s imports %s", user, path)
			}
		}
	}
}

// listed is what this test reads of `go list -json`.
type listed struct {
	ImportPath                               string
	Standard                                 bool
	Module                                   *struct{ Path string }
	Imports, TestImports, XTestImports, Deps []string
}

func (p listed) name() string { name, _ := ours(p.ImportPath); return name }

// ours returns the path below the module's root, and whether the package is of this module.
func ours(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

// packages lists this module's packages.
func packages(t *testing.T) []listed {
	t.Helper()
	list, err := own()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 5 {
		t.Fatalf("only %d packages found", len(list))
	}
	return list
}

var (
	own  = sync.OnceValues(func() ([]listed, error) { return goList("./...") })
	deps = sync.OnceValues(func() ([]listed, error) { return goList("-deps", "-test", "./...") })
)

type users struct{ code, tests []string }

// importedModules returns the modules of others that this module's packages import directly, and
// which packages import each.
func importedModules(t *testing.T) map[string]*users {
	t.Helper()
	all, err := deps()
	if err != nil {
		t.Fatal(err)
	}
	moduleOf := map[string]string{}
	for _, p := range all {
		if !p.Standard && p.Module != nil && p.Module.Path != module {
			moduleOf[p.ImportPath] = p.Module.Path
		}
	}
	found := map[string]*users{}
	add := func(user string, imports []string, to func(*users) *[]string) {
		for _, path := range imports {
			m, other := moduleOf[path]
			if !other {
				continue
			}
			if found[m] == nil {
				found[m] = new(users)
			}
			if list := to(found[m]); !slices.Contains(*list, user) {
				*list = append(*list, user)
			}
		}
	}
	for _, p := range packages(t) {
		add(p.name(), p.Imports, func(u *users) *[]string { return &u.code })
		add(p.name(), slices.Concat(p.TestImports, p.XTestImports), func(u *users) *[]string { return &u.tests })
	}
	if len(found) == 0 {
		t.Fatal("no module of others is imported: the list is not read well")
	}
	return found
}

func goList(args ...string) ([]listed, error) {
	// The test cache does not see the files that the go command reads. It sees the files that this
	// test reads, so the test reads all of them.
	if err := filepath.WalkDir(".", func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
		return nil, err
	}
	args = append([]string{"list", "-json=ImportPath,Standard,Module,Imports,TestImports,XTestImports,Deps"}, args...)
	var stderr bytes.Buffer
	cmd := exec.Command("go", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New("go list: " + err.Error() + ": " + stderr.String())
	}
	var list []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
}
