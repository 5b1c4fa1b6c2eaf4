package demo_test

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/cmd/wafer/internal/demo"
	"github.com/wafer-sessions/wafer/internal/redistest"
)

const promised = 2 * time.Second

// A session is served by any replica. Once revoked it stays revoked when the process is stopped or
// killed.
func TestRevocationOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--dir", dir)
	ada, bob := p.login("ada"), p.login("bob")

	seen := map[int]bool{}
	first := ada.read(p)
	for range 12 {
		s := ada.read(p)
		if s.Status != http.StatusOK || s.SID != first.SID || len(s.SID) != 22 || s.Subject != "ada" {
			t.Fatalf("read %+v after %+v", s, first)
		}
		seen[s.Replica] = true
	}
	if len(seen) < 2 {
		t.Errorf("twelve reads were served by %v", seen)
	}
	if !first.Expires.After(time.Now()) || first.Started.After(time.Now()) {
		t.Errorf("started %v, expires %v", first.Started, first.Expires)
	}

	writer := ada.post(p, "/note", url.Values{"text": {"two candles"}})
	for reads := 0; ; reads++ {
		s := ada.read(p)
		if s.Data.Note != "two candles" {
			t.Fatalf("replica %d read %q", s.Replica, s.Data.Note)
		}
		if s.Replica != writer {
			break
		}
		if reads == 100 {
			t.Fatal("no other replica answered")
		}
	}

	ada.refusedWithin(p, p.revoke("session", first.SID), promised)
	before := bob.everyReplica(p, http.StatusOK)

	p.stop()
	p = start(t, "--dir", dir)
	ada.everyReplica(p, http.StatusUnauthorized)
	if after := bob.everyReplica(p, http.StatusOK); after.SID != before.SID {
		t.Errorf("bob's session is %s after a restart, was %s", after.SID, before.SID)
	}

	carol := p.login("carol")
	p.revoke("session", carol.read(p).SID)
	p.kill()
	p = start(t, "--dir", dir)
	ada.everyReplica(p, http.StatusUnauthorized)
	carol.everyReplica(p, http.StatusUnauthorized)
	if after := bob.everyReplica(p, http.StatusOK); after.SID != before.SID {
		t.Errorf("bob's session is %s after kill -9, was %s", after.SID, before.SID)
	}
	p.stop()
}

func TestSigningOut(t *testing.T) {
	p := start(t)
	t.Run("here", func(t *testing.T) {
		ada, phone := p.login("ada"), p.login("ada")
		thief := ada.copied(p)
		thief.everyReplica(p, http.StatusOK)
		ada.post(p, "/logout", nil)
		thief.refusedWithin(p, time.Now(), promised)
		ada.everyReplica(p, http.StatusUnauthorized)
		phone.everyReplica(p, http.StatusOK)
	})
	t.Run("others", func(t *testing.T) {
		ada, phone, bob := p.login("ada"), p.login("ada"), p.login("bob")
		thief := ada.copied(p)
		before := ada.read(p)
		ada.post(p, "/logout-others", nil)
		phone.refusedWithin(p, time.Now(), promised)
		thief.everyReplica(p, http.StatusUnauthorized)
		after := ada.everyReplica(p, http.StatusOK)
		if after.Subject != "ada" || after.SID == before.SID || !after.Started.Equal(before.Started) {
			t.Errorf("the session went on as %+v, was %+v", after, before)
		}
		bob.everyReplica(p, http.StatusOK)
	})
	t.Run("everywhere", func(t *testing.T) {
		ada, phone, bob := p.login("ada"), p.login("ada"), p.login("bob")
		thief := ada.copied(p)
		ada.post(p, "/logout-everywhere", nil)
		again := newBrowser(t)
		// A login at another replica within the same few ms counts as one that was under way.
		redistest.Await(t, "a login after it", func() bool { return again.try(p, "/login", url.Values{"user": {"ada"}}) == http.StatusSeeOther })
		for range 12 {
			if s := again.read(p); s.Status != http.StatusOK {
				t.Fatalf("a session begun after it was refused by replica %d: %s", s.Replica, s.Error)
			}
		}
		phone.refusedWithin(p, time.Now(), promised)
		thief.everyReplica(p, http.StatusUnauthorized)
		ada.everyReplica(p, http.StatusUnauthorized)
		again.everyReplica(p, http.StatusOK)
		bob.everyReplica(p, http.StatusOK)
	})
	p.stop()
	if _, err := os.Stat(p.dir); !os.IsNotExist(err) {
		t.Errorf("the temporary folder %s is still there: %v", p.dir, err)
	}
}

// A transfer needs a second factor. It makes the session stronger, and ends the weaker one.
func TestASecondFactor(t *testing.T) {
	p := start(t)
	ada := p.login("ada")
	ada.post(p, "/note", url.Values{"text": {"two candles"}})
	weak := ada.read(p)
	thief := ada.copied(p)
	if status, answer := ada.ask(p, http.MethodPost, "/transfer", nil); status != http.StatusUnauthorized || answer["error"] != "methods" {
		t.Errorf("with a password alone: %d %v", status, answer)
	}
	if s := ada.read(p); s.SID != weak.SID || strings.Join(s.Methods, " ") != "pwd" {
		t.Errorf("the session is %+v after %+v", s, weak)
	}
	ada.post(p, "/second-factor", nil)
	stronger := time.Now()
	if status, answer := ada.ask(p, http.MethodPost, "/transfer", nil); status != http.StatusOK {
		t.Errorf("with a second factor: %d %v", status, answer)
	}
	if s := ada.read(p); s.SID == weak.SID || strings.Join(s.Methods, " ") != "pwd otp mfa" || s.Data.Note != "two candles" {
		t.Errorf("the session is %+v after %+v", s, weak)
	}
	thief.refusedWithin(p, stronger, promised)
	if status := newBrowser(t).try(p, "/second-factor", nil); status != http.StatusUnauthorized {
		t.Errorf("nobody gives a second factor: %d", status)
	}
}

// A tag in hexadecimal may hold "ada" by chance.
var names = regexp.MustCompile(`\b(ada|bob)\b`)

func TestTheAdminAPINeedsTheToken(t *testing.T) {
	p := start(t, "--dir", t.TempDir())
	if status, body := p.admin(http.MethodGet, "/status", p.token, ""); status != http.StatusOK || body["ready"] != true {
		t.Errorf("status: %d %v", status, body)
	}
	if status, body := p.admin(http.MethodPost, "/revocations", p.token+"x", `{"scope":"everyone"}`); status != http.StatusUnauthorized {
		t.Errorf("with another token: %d %v", status, body)
	}
	ada := p.login("ada")
	since := p.revoke("subject", "ada")
	ada.refusedWithin(p, since, promised)

	bob := p.login("bob")
	_, ring := p.admin(http.MethodGet, "/keys", p.token, "")
	list, _ := ring["keys"].([]any)
	if len(list) != 1 {
		t.Fatalf("keys %v", ring)
	}
	kid, _ := list[0].(map[string]any)["kid"].(string)
	status, body := p.admin(http.MethodPost, "/keys/"+kid+"/revoke", p.token, `{"reason":"test"}`)
	since = time.Now()
	if status != http.StatusOK {
		t.Fatalf("revoking a key: %d %v", status, body)
	}
	bob.refusedWithin(p, since, promised)
	again := newBrowser(t)
	// Everyone was revoked just now; see TestSigningOut.
	redistest.Await(t, "a login after it", func() bool { return again.try(p, "/login", url.Values{"user": {"bob"}}) == http.StatusSeeOther })
	again.everyReplica(p, http.StatusOK)
	p.stop()
	if said := p.said.String(); !strings.Contains(said, "reason=test") || names.MatchString(said) {
		t.Errorf("the log says %s", said)
	}
}

// The first start of a demo logs no warning.
func TestAFreshDemoLogsNothing(t *testing.T) {
	p := start(t)
	p.login("ada").everyReplica(p, http.StatusOK)
	p.stop()
	if said := p.said.String(); said != "" {
		t.Errorf("the log says %s", said)
	}
}

func TestSecretsOnDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	p := start(t, "--dir", dir)
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s can be read by others: %v", d.Name(), info.Mode())
		}
		files++
		return nil
	})
	if err != nil || files < 4 {
		t.Errorf("%d files: %v", files, err)
	}
	p.stop()
}

func TestWhatTheCommandRefuses(t *testing.T) {
	dir := t.TempDir()
	p := start(t, "--dir", dir)
	for _, row := range []struct {
		name string
		args []string
		env  string
		exit int
		says string
	}{
		{"all addresses", []string{"--addr", "0.0.0.0:0"}, "", 2, "--allow-remote"},
		{"no host", []string{"--addr", ":0"}, "", 2, "--allow-remote"},
		{"a name that may be anywhere", []string{"--addr", "example.com:0"}, "", 2, "--allow-remote"},
		{"no port", []string{"--addr", "127.0.0.1"}, "", 2, "missing port"},
		{"no replicas", []string{"--replicas", "-1"}, "", 2, "replicas"},
		{"too many replicas", []string{"--replicas", "33"}, "", 2, "replicas"},
		{"a folder in use", []string{"--dir", dir}, "", 1, "another demo is running"},
		{"a short token", nil, "WAFER_ADMIN_TOKEN=short", 2, "admin token"},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := append([]string{"demo", "--addr", "127.0.0.1:0"}, row.args...)
			cmd := exec.CommandContext(t.Context(), program, args...)
			cmd.Env = append(os.Environ(), "WAFER_ADMIN_TOKEN=", row.env)
			out, err := cmd.CombinedOutput()
			if err == nil || cmd.ProcessState.ExitCode() != row.exit || !strings.Contains(string(out), row.says) {
				t.Errorf("it ended with %v and said %s", err, out)
			}
		})
	}
	p.stop()
}

func TestOpenRefusesAWeakAdminToken(t *testing.T) {
	for _, token := range []string{"short", strings.Repeat("t", 32)} {
		d, err := demo.Open(t.Context(), demo.Config{Addr: "127.0.0.1:0", AdminToken: token})
		if !errors.Is(err, demo.ErrConfig) || d != nil {
			t.Errorf("Open returned %v, %v", d, err)
		}
	}
}
