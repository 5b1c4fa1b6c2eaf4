package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/internal/redistest"
)

// The commands of docs/operations.md work, one after the other, in an empty folder and on an empty
// Redis. Those of programs that tests cannot run name files and secrets that exist.
func TestTheCommandsOfTheOperationsPageWork(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for servers")
	}
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(repository, "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	server := redistest.Start(t, "--appendonly", "yes")
	t.Chdir(t.TempDir())
	address := strings.NewReplacer("redis://localhost:6379", "redis://"+server.Addr)
	ran, shell := map[string]int{}, ""
	for _, m := range regexp.MustCompile(`(?m)^ {4,}((wafer|umask|head|printf|kubectl|docker|systemd-analyze) .+)$`).FindAllStringSubmatch(string(page), -1) {
		line, program := address.Replace(m[1]), m[2]
		ran[program]++
		switch program {
		case "wafer":
			if out, code := wafer(t, strings.TrimPrefix(line, "wafer ")+" --yes"); code != 0 {
				t.Fatalf("%s: exit status %d: %s", line, code, out)
			}
		case "kubectl":
			checkKubectl(t, repository, line)
		case "docker":
			checkDocker(t, repository, line)
		case "systemd-analyze": // internal/ops runs it
		case "umask":
			shell = line + " && "
		default:
			if out, err := exec.Command("sh", "-c", shell+line).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", line, err, out)
			}
		}
	}
	checkRecovery(t, "redis://"+server.Addr)
	if ran["wafer"] < 9 || ran["kubectl"] < 4 || ran["docker"] < 2 || ran["head"] < 2 {
		t.Errorf("the page has %v", ran)
	}
	if token, err := os.ReadFile("admin-token"); err != nil || len(strings.TrimSpace(string(token))) < admin.MinToken {
		t.Errorf("the token has %d bytes, %v", len(token), err)
	}
}

// checkRecovery uses the list with the ring that the page put at another prefix.
func checkRecovery(t *testing.T, redis string) {
	t.Helper()
	for _, line := range []string{
		"keys export --redis " + redis + " --prefix shop2 --kek-file new-kek --to ring.jwe --to-kek-file ring.kek",
		"revoke subject ada --redis " + redis + " --file ring.jwe --kek-file ring.kek",
		"lookup subject ada --redis " + redis + " --kek-file kek", // the same list, with the ring that was there before
	} {
		out, code := wafer(t, line+" --yes")
		if code != 0 {
			t.Errorf("wafer %s: exit status %d: %s", line, code, out)
		}
		if strings.HasPrefix(line, "lookup") && !strings.Contains(out, "Revoked.") {
			t.Errorf("wafer %s: %s", line, out)
		}
	}
}

func checkKubectl(t *testing.T, repository, line string) {
	t.Helper()
	for _, m := range regexp.MustCompile(` -f (\S+)`).FindAllStringSubmatch(line, -1) {
		if _, err := os.Stat(filepath.Join(repository, m[1])); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	secret := regexp.MustCompile(`create secret generic (\S+)`).FindStringSubmatch(line)
	if secret == nil {
		return
	}
	manifest, err := os.ReadFile(filepath.Join(repository, "docs/ops/kubernetes/deployment.yaml"))
	if err != nil || !strings.Contains(string(manifest), "secretName: "+secret[1]+"\n") {
		t.Errorf("the deployment does not mount the secret %s, %v", secret[1], err)
	}
	for _, m := range regexp.MustCompile(`--from-file=(\S+)`).FindAllStringSubmatch(line, -1) {
		if _, err := os.Stat(m[1]); err != nil || !strings.Contains(string(manifest), "/run/secrets/wafer/"+m[1]+"\n") {
			t.Errorf("%s: %v, and whether the deployment reads it", m[1], err)
		}
	}
}

func checkDocker(t *testing.T, repository, line string) {
	t.Helper()
	image, err := os.ReadFile(filepath.Join(repository, "Dockerfile"))
	if err != nil || !strings.Contains(string(image), "#   "+line+"\n") {
		t.Errorf("the Dockerfile does not say %q, %v", line, err)
	}
	if _, args, ok := strings.Cut(line, " 8080:8080 wafer "); ok {
		if cmd, problem := find(newRoot(), strings.Fields(args)); problem != "" {
			t.Errorf("%s: %s of %q", line, problem, cmd.CommandPath())
		}
	}
}
