package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // most scripts wait: for replicas that report every five seconds, for a store that is away
	testscript.Main(m, map[string]func(){"wafer": main, "mint": mint})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               quickExit,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"kid":    kid,
			"secret": secret,
		},
	})
}

// quickExit keeps the race detector from delaying the end of each command by a second.
func quickExit(env *testscript.Env) error {
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	return nil
}

// exits CODE PROGRAM [ARG...] runs a program and wants that exit status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := err.(*exec.ExitError); ok {
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if (got == want) == neg {
		ts.Fatalf("exit status %d", got)
	}
}

// kid VARIABLE FILE N takes the Nth kid out of what --json printed.
func kid(ts *testscript.TestScript, _ bool, args []string) {
	var ids struct{ Keys []struct{ Kid string } }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &ids))
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	if n >= len(ids.Keys) {
		ts.Fatalf("%d keys", len(ids.Keys))
	}
	ts.Setenv(args[0], ids.Keys[n].Kid)
}

// secret FILE [OUTPUT...] fails if a secret of the plaintext ring is in an output.
func secret(ts *testscript.TestScript, neg bool, args []string) {
	var set struct {
		ListKey string `json:"list_key"`
		Keys    []struct{ K string }
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &set))
	all := []string{set.ListKey}
	for _, k := range set.Keys {
		all = append(all, k.K)
	}
	found := false
	for _, name := range args[1:] {
		out := ts.ReadFile(name)
		for _, s := range all {
			for i := 0; i+8 <= len(s); i++ {
				found = found || strings.Contains(out, s[i:i+8])
			}
		}
	}
	if found == neg {
		ts.Fatalf("a secret is printed: %v", found)
	}
}

// mint KIND IDLE ABSOLUTE prints a token of the plaintext ring in ring.json with deadlines that far from
// now.
func mint() {
	doc, err := os.ReadFile("ring.json")
	check(err)
	ring, err := keys.Parse([]byte(strings.TrimSpace(string(doc))))
	check(err)
	idle, err := time.ParseDuration(os.Args[2])
	check(err)
	absolute, err := time.ParseDuration(os.Args[3])
	check(err)
	var (
		now    = time.Now()
		sealer = token.New(keys.Static(ring))
		id, _  = token.ParseID("AAECAwQFBgcICQoLDA0ODw")
		b      []byte
	)
	switch os.Args[1] {
	case "session", "bearer":
		seal := sealer.SealSession
		if os.Args[1] == "bearer" {
			seal = sealer.SealBearer
		}
		b, err = seal(nil, &token.Session{
			Audience: []byte("shop"), ID: id, Subject: []byte("ada\u009b31m"), SubjectTag: token.Tag{1}, GroupTags: [8]token.Tag{{2}}, Groups: 1,
			AuthTime: now.Unix() - 60, Methods: [token.MaxMethods][]byte{[]byte("pwd"), []byte("otp")}, Validity: token.Validity{IssuedAt: now.Unix(), Expires: now.Add(idle).Unix(), Checked: now.UnixMilli(), Term: 3}, End: now.Add(absolute).Unix(),
			Epoch: now.UnixMilli() - 60_000, Data: []byte(`{"cart":[1,2]}`),
		}, now)
	case "seen":
		b, err = sealer.SealRenewal(nil, &token.Renewal{ID: id, Validity: token.Validity{IssuedAt: now.Unix(), Expires: now.Add(idle).Unix(), Checked: now.UnixMilli(), Term: 3}}, now)
	}
	check(err)
	fmt.Printf("%s\n", b)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
