package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

const adminTokenVariable = "WAFER_ADMIN_TOKEN"

// adminFlags say where the admin API of an application is, and how to authenticate to it.
type adminFlags struct {
	url, tokenFile        string
	caFile, cert, certKey string
	insecureHTTP          bool
}

// adminNames are the flags that adminFlags adds.
var adminNames = []string{"admin", "admin-token-file", "admin-ca", "admin-cert", "admin-key", "insecure-http"}

func (f *adminFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "admin", "", "`URL` of the admin API of a running application, whose token is\nin "+adminTokenVariable)
	flags.StringVar(&f.tokenFile, "admin-token-file", "", "`FILE` with the token of --admin, in place of\n"+adminTokenVariable+"; only its owner may read it")
	flags.StringVar(&f.caFile, "admin-ca", "", "`FILE` with the certificates, in PEM, of the authorities that\nmay sign the certificate of --admin")
	flags.StringVar(&f.cert, "admin-cert", "", "`FILE` with a client certificate for --admin, in PEM; then the\ntoken is optional")
	flags.StringVar(&f.certKey, "admin-key", "", "`FILE` with the private key of --admin-cert, in PEM")
	flags.BoolVar(&f.insecureHTTP, "insecure-http", false, "send the token of --admin over plain http to another machine")
	orVariable(cmd, "admin", "admin-ca", "admin-cert", "admin-key")
	for _, name := range adminNames {
		if name != "admin" && name != "insecure-http" {
			cmd.MarkFlagFilename(name)
		}
	}
}

// client returns a client of the admin API.
func (f *adminFlags) client() (*adminClient, error) {
	u, err := url.Parse(f.url)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, usagef("--admin is not a URL such as http://127.0.0.1:8080/admin")
	}
	token, err := f.token()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if u.Scheme == "https" {
		if transport.TLSClientConfig, err = f.tls(); err != nil {
			return nil, err
		}
	} else {
		if f.caFile != "" || f.cert != "" || f.certKey != "" {
			return nil, usagef("--admin-ca, --admin-cert and --admin-key need an https URL in --admin")
		}
		if !f.insecureHTTP && !loopback(u.Hostname()) {
			return nil, usagef("--admin %s: without https the token crosses the network in the clear; --insecure-http permits it", u.Redacted())
		}
		transport.Proxy = nil // a proxy would read the token
	}
	c := &adminClient{base: strings.TrimRight(f.url, "/"), token: token}
	c.http.Transport, c.http.Timeout = transport, openTime
	// A redirect would carry the token to another place.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (f *adminFlags) tls() (*tls.Config, error) {
	roots, err := f.roots()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{RootCAs: roots}
	if (f.cert == "") != (f.certKey == "") {
		return nil, usagef("give --admin-cert and --admin-key together")
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.certKey)
		if err != nil {
			return nil, fmt.Errorf("--admin-cert and --admin-key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// roots returns the authorities of --admin-ca, and nil for those of the system.
func (f *adminFlags) roots() (*x509.CertPool, error) {
	if f.caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(f.caFile)
	if err != nil {
		return nil, fmt.Errorf("--admin-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--admin-ca: %s holds no certificate in PEM", f.caFile)
	}
	return roots, nil
}

// token returns the token of the admin API. With a client certificate there may be none.
func (f *adminFlags) token() (string, error) {
	if f.tokenFile == "" {
		t := os.Getenv(adminTokenVariable)
		if t == "" && f.cert == "" {
			return "", usagef("give the token of the admin API in %s, or with --admin-token-file FILE", adminTokenVariable)
		}
		return t, nil
	}
	return readPrivate(f.tokenFile, "the token of the admin API")
}

// readPrivate reads a short secret from a file that only its owner may read.
func readPrivate(path, what string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return "", fmt.Errorf("others can get at %s: the mode of %s is %#o; chmod 600 %[2]s", what, path, mode)
	}
	b, err := io.ReadAll(io.LimitReader(file, 16<<10))
	text := strings.TrimSpace(string(b))
	if err == nil && text == "" {
		err = fmt.Errorf("%s is empty; it should hold %s", path, what)
	}
	return text, err
}
