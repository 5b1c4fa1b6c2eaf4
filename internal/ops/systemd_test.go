package ops

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// analyze runs systemd-analyze on the unit, with a program that exists, and after a change.
func analyze(t *testing.T, change func(unit string) string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	text, err := os.ReadFile("../../docs/ops/systemd/shop.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := strings.Replace(string(text), "/usr/local/bin/shop", "/bin/sh", 1)
	changed := change(unit)
	path := filepath.Join(t.TempDir(), "shop.service")
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", append(args, path)...).CombinedOutput()
	return string(out), err
}

func unchanged(unit string) string { return unit }

func TestUnitIsValid(t *testing.T) {
	if out, err := analyze(t, unchanged, "verify", "--man=no"); err != nil || out != "" {
		t.Errorf("%v: %s", err, out)
	}
	for from, to := range map[string]string{
		"ProtectHome=yes":          "ProtectHomes=yes",
		"SystemCallFilter=@system": "SystemCallFilter=@systems",
		"LoadCredential=kek:/etc":  "LoadCredential=kek:etc",
	} {
		misspelt := func(unit string) string { return strings.Replace(unit, from, to, 1) }
		if out, err := analyze(t, misspelt, "verify", "--man=no"); err == nil && out == "" {
			t.Errorf("nothing is wrong with %s", to)
		}
	}
}

// systemd says on a scale from 0 to 10 how much a service could do if it was taken over.
func TestUnitIsHardened(t *testing.T) {
	out, err := analyze(t, unchanged, "security", "--offline=true", "--no-pager")
	m := regexp.MustCompile(`Overall exposure level for \S+ ([0-9.]+)`).FindStringSubmatch(out)
	if err != nil || m == nil {
		t.Skipf("this systemd-analyze cannot look at a file: %v", err)
	}
	if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > 1.5 {
		t.Errorf("the exposure is %s", m[1])
	}
}
