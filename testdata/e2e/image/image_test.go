// Package image checks what the Dockerfile at the root of the repository puts into an image, without
// the program docker: the binary has the same bytes wherever it is built, and runs where nothing else
// is, as a user without rights.
package image

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const root = "../../.."

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// source returns a copy of what .dockerignore leaves of the repository.
func source(t *testing.T) string {
	t.Helper()
	ignored := strings.Split(page(t, ".dockerignore"), "\n")
	all, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, e := range all {
		if !slices.Contains(ignored, e.Name()) {
			copyTo(t, filepath.Join(root, e.Name()), dir)
		}
	}
	return dir
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-r", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
}

// build runs the command of the Dockerfile that builds the binary, in a folder of its own.
func build(t *testing.T, source string, env ...string) string {
	t.Helper()
	dir := t.TempDir()
	copyTo(t, source+"/.", dir)
	bin := filepath.Join(dir, "built")
	m := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 .* go build .*) -o /root/image/wafer (\./cmd/wafer)$`).FindStringSubmatch(page(t, "Dockerfile"))
	if m == nil {
		t.Fatal("the Dockerfile does not build the command")
	}
	cmd := exec.Command("sh", "-c", m[1]+" -o "+bin+" "+m[2])
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH, "GOFLAGS=-mod=readonly")
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", m[1], err, out)
	}
	return bin
}

func sum(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}

var fresh = flag.Bool("image.fresh", false, "compile everything twice, without a shared cache, which takes minutes")

// Two folders, and with -image.fresh no shared cache.
func TestTheBinaryIsReproducible(t *testing.T) {
	var env []string
	if *fresh {
		env = append(env, "GOCACHE="+t.TempDir())
	}
	from := source(t)
	if a, b := sum(t, build(t, from)), sum(t, build(t, from, env...)); a != b {
		t.Errorf("two builds have the checksums %s and %s", a, b)
	}
}

func TestTheBinaryRunsAlone(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("only root on Linux can change the root folder")
	}
	bin := build(t, source(t))
	file, err := elf.Open(bin)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Fatal("the binary is not static")
		}
	}
	image := alone(t, bin)
	for _, args := range [][]string{{"version"}, {"capacity", "--sessions", "1000"}, {"keys", "new", "--file", "/tmp/ring", "--kek-file", "/tmp/kek"}} {
		if out, err := image(args...).CombinedOutput(); err != nil {
			t.Errorf("wafer %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	serve(t, image("demo", "--addr", "127.0.0.1:0"))
}

// alone returns a function that makes commands which run in the folder of the image, as its user.
func alone(t *testing.T, bin string) func(args ...string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	if err := os.Rename(bin, filepath.Join(dir, "wafer")); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(tmp, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page(t, "Dockerfile"), "\nUSER 65532:65532\n") {
		t.Error("the image has another user")
	}
	return func(args ...string) *exec.Cmd {
		cmd := exec.Command("/wafer", args...)
		cmd.Dir, cmd.Env = "/", []string{"PATH=/"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		return cmd
	}
}

// serve runs the demo until it has answered a request, and then ends it as a runtime does.
func serve(t *testing.T, demo *exec.Cmd) {
	t.Helper()
	out := &lines{found: make(chan string, 1)}
	demo.Stdout, demo.Stderr = out, out
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- demo.Wait() }()
	t.Cleanup(func() { demo.Process.Kill() })
	select {
	case url := <-out.found:
		answer, err := http.Get(url)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %v, %v", url, answer, err)
		} else {
			answer.Body.Close()
		}
	case err := <-ended:
		t.Fatalf("the demo ended: %v\n%s", err, out.text.String())
	case <-time.After(time.Minute):
		t.Fatal("the demo says nothing")
	}
	demo.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, out.text.String())
	}
}

// lines keeps what a process says, and finds the address of the page in it. Only the process writes
// to it, and it is read when the process has ended.
type lines struct {
	text  bytes.Buffer
	found chan string
}

var pageAddress = regexp.MustCompile(`page +(http://\S+)`)

func (l *lines) Write(b []byte) (int, error) {
	l.text.Write(b)
	if m := pageAddress.FindSubmatch(l.text.Bytes()); m != nil {
		select {
		case l.found <- string(m[1]):
		default:
		}
	}
	return len(b), nil
}
