package proxies

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/apptest"
)

// A kind is one of the three programs.
type kind struct {
	name    string
	program string
	// frame is the rest of its configuration, as Debian has it: no buffer has another size. DIR is
	// the proxy's folder, ADDR where it listens.
	frame string
	args  []string
}

var kinds = []*kind{
	{"nginx", "nginx", `
		daemon off;
		worker_processes 1;
		pid DIR/pid;
		events { worker_connections 768; }
		http {
			gzip on;
			access_log off;
			client_body_temp_path DIR/body;
			proxy_temp_path DIR/proxy;
			fastcgi_temp_path DIR/fastcgi;
			uwsgi_temp_path DIR/uwsgi;
			scgi_temp_path DIR/scgi;
			include DIR/shop.conf;
		}`, []string{"-p", "DIR", "-e", "DIR/log", "-c", "DIR/frame.conf"}},
	{"haproxy", "haproxy", "\n", []string{"-db", "-f", "DIR/frame.conf", "-f", "DIR/shop.conf"}},
	{"apache", "apache2", `
		ServerRoot DIR
		DefaultRuntimeDir DIR
		PidFile DIR/pid
		ErrorLog DIR/log
		ServerName localhost
		Listen ADDR https
		` + modules("mpm_event authz_core authz_host headers filter deflate reqtimeout setenvif ssl socache_shmcb http2 "+
		"proxy proxy_http proxy_balancer proxy_hcheck slotmem_shm lbmethod_byrequests") + `
		IncludeOptional /etc/apache2/mods-available/deflate.conf
		IncludeOptional /etc/apache2/mods-available/reqtimeout.conf
		<IfModule unixd_module>
			User www-data
			Group www-data
		</IfModule>
		Include DIR/shop.conf
		`, []string{"-D", "FOREGROUND", "-d", "DIR", "-f", "DIR/frame.conf"}},
}

func modules(names string) string {
	var lines strings.Builder
	for name := range strings.FieldsSeq(names) {
		fmt.Fprintf(&lines, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", name, name)
	}
	return lines.String()
}

// read returns a configuration in testdata. "defaults" changes nothing that need not be changed, and
// "tested" is what docs/proxies.md shows.
func (k *kind) read(t *testing.T, conf string) string {
	t.Helper()
	name := k.name + ".conf"
	if conf == "defaults" {
		name = k.name + "-defaults.conf"
	}
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// need skips the test if the program is not installed. That is a failure if CI=true.
func (k *kind) need(t *testing.T) string {
	t.Helper()
	for _, path := range []string{k.program, "/usr/sbin/" + k.program} { // Debian keeps them out of the PATH of users
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and CI=true: apt-get install %s", k.program, k.program)
	}
	t.Skipf("%s is not installed: apt-get install %s", k.program, k.program)
	return ""
}

// A proxy is a process in front of a fleet.
type proxy struct {
	*kind
	conf  string // "defaults" or "tested"
	t     *testing.T
	fleet *fleet
	dir   string
	addr  string
	cmd   *exec.Cmd
	ended chan struct{}
}

// start starts a proxy with a configuration in testdata, in which some strings are replaced, and
// returns when it serves. It ends with the test.
func (k *kind) start(t *testing.T, f *fleet, conf string, replaced ...string) *proxy {
	t.Helper()
	text := strings.NewReplacer(replaced...).Replace(k.read(t, conf))
	program := k.need(t)
	for try := 1; ; try++ {
		p := &proxy{kind: k, conf: conf, t: t, fleet: f, dir: t.TempDir(), addr: freeAddr(t), ended: make(chan struct{})}
		p.configure(text)
		if p.run(program) {
			return p
		}
		if try == 5 { // somebody else took the port five times
			t.Fatalf("%s does not start: %s", k.name, apptest.Tail(p.file("log")))
		}
	}
}

func (p *proxy) file(name string) string { return filepath.Join(p.dir, name) }

// configure writes the files of the proxy.
func (p *proxy) configure(conf string) {
	p.t.Helper()
	pair := certificate()
	for name, content := range map[string]string{
		"frame.conf": p.inDir(p.frame), "shop.conf": p.here(conf), "shop.crt": pair.certificate, "shop.key": pair.key, "shop.pem": pair.certificate + pair.key,
	} {
		if err := os.WriteFile(p.file(name), []byte(content), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *proxy) inDir(s string) string {
	return strings.NewReplacer("DIR", p.dir, "ADDR", p.addr).Replace(s)
}

// here replaces names by addresses on this machine, and changes nothing else.
func (p *proxy) here(conf string) string {
	_, port, _ := net.SplitHostPort(p.addr)
	names := []string{"/etc/ssl/", p.dir + "/", "*:443", "*:" + port, "bind :443", "bind " + p.addr, "listen 443", "listen " + p.addr}
	for i, r := range p.fleet.all {
		app := "app-" + strconv.Itoa(i+1)
		names = append(names, app+":8080", r.App, app+":8081", r.Admin)
	}
	return strings.NewReplacer(names...).Replace(conf)
}

// run reports whether the proxy serves.
func (p *proxy) run(program string) bool {
	log, err := os.Create(p.file("log"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	var args []string
	for _, a := range p.args {
		args = append(args, p.inDir(a))
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() { p.cmd.Wait(); close(p.ended) }()
	p.t.Cleanup(p.stop)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		c, err := tls.Dial("tcp", p.addr, &tls.Config{ServerName: "shop.example", RootCAs: certificate().pool})
		if err == nil { // it has our certificate, so it is ours
			c.Close()
			return true
		}
		select {
		case <-p.ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return false
}

// stop ends the proxy with all its processes.
func (p *proxy) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Errorf("%s does not end", p.name)
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // the group of what this test started
		<-p.ended
	}
	if p.t.Failed() {
		p.t.Logf("log of %s:\n%s", p.name, apptest.Tail(p.file("log")))
	}
}

// freeAddr returns an address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A pair is a certificate of both names with its key, as PEM.
type pair struct {
	certificate, key string
	pool             *x509.CertPool
}

var certificate = sync.OnceValue(func() pair {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop.example"}, DNSNames: []string{"shop.example", "admin.example"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	p := pair{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), x509.NewCertPool()}
	p.pool.AppendCertsFromPEM([]byte(p.certificate))
	return p
})
