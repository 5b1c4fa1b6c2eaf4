//go:build linux

package keys_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

// The tests here start this binary again, with a job in the environment.
const jobVariable = "WAFER_KEYS_TEST_JOB"

func TestMain(m *testing.M) {
	if job := os.Getenv(jobVariable); job != "" {
		if err := child(job, os.Args[1:]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(job string, args []string) error {
	ctx := context.Background()
	path := args[0]
	kek := keys.KEKFile(filepath.Join(filepath.Dir(path), "kek"))
	switch job {
	case "create": // when told to
		fmt.Println("ready")
		bufio.NewReader(os.Stdin).ReadString('\n')
		f, err := keys.OpenFile(ctx, path, kek, keys.FileConfig{Create: true})
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Println(f.Ring().ID(), f.Ring().Keys()[0].ID())
	case "edit": // so many times
		f, err := keys.OpenFile(ctx, path, kek, keys.FileConfig{Logger: quiet})
		if err != nil {
			return err
		}
		defer f.Close()
		n, _ := strconv.Atoi(args[1])
		for i := range n {
			if err := f.Edit(ctx, rotate); err != nil {
				return err
			}
			fmt.Println(i + 1)
		}
	case "open":
		f, err := keys.OpenFile(ctx, path, kek, keys.FileConfig{Logger: quiet})
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Println(f.Ring().ID())
		return f.Edit(ctx, rotate)
	case "passphrase": // to seal, to open
		pass := keys.Passphrase(func(context.Context) ([]byte, error) { return goldenPassphrase, nil })
		_, err := pass.Seal(ctx, keys.Generate(0))
		fmt.Println("error:", err)
		_, err = pass.Open(ctx, must(os.ReadFile(filepath.Join("testdata", "ring-passphrase.jwe"))))
		return err
	case "make": // without opening it
		return keys.CreateFile(ctx, path, kek, keys.Generate(0))
	case "rewrap":
		return keys.RewrapFile(ctx, path, kek, keys.KEKFile(filepath.Join(filepath.Dir(path), "kek2")))
	case "full disk": // a tmpfs that only this process sees
		return fullDisk(path)
	case "small files":
		return smallFiles(path)
	case "read-only mount": // of a tmpfs that only this process sees
		return readOnlyMount(path)
	}
	return nil
}

func start(job string, args ...string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Reader, err error) {
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), jobVariable+"="+job)
	cmd.Stderr = os.Stderr
	if in, err = cmd.StdinPipe(); err != nil {
		return
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return
	}
	return cmd, in, bufio.NewReader(pipe), cmd.Start()
}

func TestProcessesCreateOneRing(t *testing.T) {
	for range 2 {
		path := filepath.Join(t.TempDir(), "ring.jwe")
		const n = 20
		results := make([]string, n)
		var ready, all sync.WaitGroup
		begin := make(chan bool)
		for i := range n {
			cmd, in, out, err := start("create", path)
			if err != nil {
				t.Fatal(err)
			}
			ready.Add(1)
			all.Go(func() {
				out.ReadString('\n')
				ready.Done()
				<-begin
				fmt.Fprintln(in, "go")
				rest, _ := io.ReadAll(out)
				results[i] = string(rest)
				if err := cmd.Wait(); err != nil {
					t.Errorf("%v: %s", err, rest)
				}
			})
		}
		ready.Wait()
		close(begin)
		all.Wait()
		for _, r := range results {
			if r != results[0] || len(r) < 30 {
				t.Fatalf("they ended with %q", results)
			}
		}
	}
}

func TestProcessesLoseNoEdit(t *testing.T) {
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "kek"))
	f := open(t, path, kek, keys.FileConfig{Create: true})
	var all sync.WaitGroup
	const processes, edits = 4, 10
	for range processes {
		cmd, _, out, err := start("edit", path, strconv.Itoa(edits))
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			got, _ := io.ReadAll(out)
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, got)
			}
		})
	}
	for range edits {
		if err := f.Edit(t.Context(), rotate); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	if n := len(open(t, path, kek, keys.FileConfig{}).Ring().Keys()); n != 1+(processes+1)*edits {
		t.Errorf("%d keys, want %d", n, 1+(processes+1)*edits)
	}
}

// A writer that is killed at any moment leaves the old ring or the new one, loses nothing that it
// had reported, and does not block later writers.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "kek"))
	open(t, path, kek, keys.FileConfig{Create: true}).Close()
	count := func() int {
		f, err := keys.OpenFile(t.Context(), path, kek, keys.FileConfig{Logger: quiet})
		if err != nil {
			t.Fatalf("after a kill: %v", err)
		}
		defer f.Close()
		return len(f.Ring().Keys())
	}
	had := count()
	for round := range 25 {
		cmd, _, out, err := start("edit", path, "1000")
		if err != nil {
			t.Fatal(err)
		}
		reported := 0
		for range 1 + round%7 {
			line, err := out.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			reported, _ = strconv.Atoi(strings.TrimSpace(line))
		}
		// Some way into the next one.
		timer := time.After(time.Duration(round) * 150 * time.Microsecond)
		<-timer
		cmd.Process.Kill()
		rest, _ := io.ReadAll(out)
		cmd.Wait()
		if lines := strings.Fields(string(rest)); len(lines) > 0 {
			reported, _ = strconv.Atoi(lines[len(lines)-1])
		}
		got := count()
		if got < had+reported || got > had+reported+1 {
			t.Fatalf("%d keys, after %d and %d reported", got, had, reported)
		}
		had = got
	}
	f := open(t, path, kek, keys.FileConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.Edit(ctx, rotate); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// The same for every system call of a write, one after the other.
func TestKilledAtEverySystemCall(t *testing.T) {
	strace := needStrace(t)
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "kek"))
	open(t, path, kek, keys.FileConfig{Create: true}).Close()
	// The numbers are how often one edit makes each call, and rename has two names.
	for call, times := range map[string]int{"unlinkat": 1, "flock": 1, "write": 1, "fsync": 2, "close": 6, "rename": 1, "renameat": 1} {
		for nth := 1; nth <= times; nth++ {
			before, err := keys.OpenFile(t.Context(), path, kek, keys.FileConfig{Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			before.Close()
			cmd := exec.Command(strace, "-f", "-qq", "-o", os.DevNull, "-P", path, "-P", path+".new", "-P", path+".lock", "-P", dir,
				"-e", "trace="+call, "-e", "inject="+call+":signal=KILL:when="+strconv.Itoa(nth), os.Args[0], path, "1")
			cmd.Env = append(os.Environ(), jobVariable+"=edit")
			out, _ := cmd.CombinedOutput()
			after, err := keys.OpenFile(t.Context(), path, kek, keys.FileConfig{Logger: quiet})
			if err != nil {
				t.Fatalf("killed at %s no. %d: %v", call, nth, err)
			}
			was, is := len(before.Ring().Keys()), len(after.Ring().Keys())
			if is != was && is != was+1 || len(out) > 0 && is != was+1 {
				t.Errorf("killed at %s no. %d, %q: %d keys, then %d", call, nth, out, was, is)
			}
			after.Close()
		}
	}
}

// needStrace returns the path of strace if it is installed and may be used.
func needStrace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err == nil {
		err = exec.Command(path, "-qq", "-o", os.DevNull, "true").Run()
	}
	if err != nil {
		t.Skipf("strace: %v", err)
	}
	return path
}

// A write is reported only once it is on disk: the new file, and then its name.
func TestWriteIsDurable(t *testing.T) {
	strace := needStrace(t)
	dir := t.TempDir()
	path, kek := filepath.Join(dir, "ring.jwe"), keys.KEKFile(filepath.Join(dir, "kek"))
	open(t, path, kek, keys.FileConfig{Create: true}).Close()
	trace := filepath.Join(dir, "trace")
	cmd := exec.Command(strace, "-f", "-y", "-qq", "-o", trace, "-e", "trace=write,fsync,rename,renameat,renameat2", os.Args[0], path, "1")
	cmd.Env = append(os.Environ(), jobVariable+"=edit")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	calls := string(read(t, trace))
	at := 0
	for _, want := range []string{
		`write\(\d+<.*/ring\.jwe\.new>`, `fsync\(\d+<.*/ring\.jwe\.new>`,
		`rename.*ring\.jwe\.new.*ring\.jwe"`, `fsync\(\d+<` + regexp.QuoteMeta(dir) + `>`, `write\(1<.*"1\\n"`,
	} {
		found := regexp.MustCompile(want).FindStringIndex(calls[at:])
		if found == nil {
			t.Fatalf("no %s in its place:\n%s", want, calls)
		}
		at += found[1]
	}
}

// Where FIPS 140 mode is enforced, a passphrase is refused, but a key is not.
func TestNoPassphraseInFIPSMode(t *testing.T) {
	for what, job := range map[string]string{"a passphrase": "passphrase", "a key": "create"} {
		cmd := exec.Command(os.Args[0], filepath.Join(t.TempDir(), "ring.jwe"))
		cmd.Stdin = strings.NewReader("go\n")
		cmd.Env = append(os.Environ(), jobVariable+"="+job, "GODEBUG=fips140=only")
		out, err := cmd.CombinedOutput()
		if job == "create" {
			if err != nil {
				t.Errorf("%s: %v: %s", what, err, out)
			}
			continue
		}
		const want = "error: keys: cannot open the ring: FIPS 140 mode allows no passphrase, since argon2id is not approved; use a key encryption key of 32 random bytes\n"
		if err == nil || string(out) != want+want {
			t.Errorf("%s: %v: %s", what, err, out)
		}
	}
}
