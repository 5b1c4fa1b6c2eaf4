package token_test

import (
	"crypto/fips140"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

// Under fips140=only, Go refuses every use of GCM except the one that draws its own nonces, also
// for opening. The test runs itself again in that mode.
func TestUnderFIPS140Only(t *testing.T) {
	const mark = "WAFER_TEST_FIPS140"
	if os.Getenv(mark) == "" {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe, "-test.run=^TestUnderFIPS140Only$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", mark+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestUnderFIPS140Only") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if !fips140.Enabled() {
		t.Fatal("not under FIPS 140")
	}
	s := token.New(keys.Static(keys.Generate(0)))
	if _, err := opened(s, sealed(t, s, fullSession(), testTime.AddDate(10, 0, 0))); err != nil {
		t.Error(err)
	}
	if _, err := openedRenewal(s, sealedRenewal(t, s, fullRenewal(), testTime.AddDate(10, 0, 0))); err != nil {
		t.Error(err)
	}
	for _, v := range vectors(t) {
		if v.expect == "opens" && v.kind == "session" {
			if _, err := opened(testSealer(t), v.token); err != nil {
				t.Errorf("%s: %v", v.file, err)
			}
		}
	}
}
