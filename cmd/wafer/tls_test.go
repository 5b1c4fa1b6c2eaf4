package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var der []byte
	der, a.key = a.sign(template, template, nil)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert = cert
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (der []byte, key *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err = x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

func (a *authority) issue(name string, usage x509.ExtKeyUsage) tls.Certificate {
	der, key := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.cert, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveTLS starts an application whose admin API wants a client certificate, and returns what writes
// the files that a client needs.
func serveTLS(t *testing.T, list *revocation.List, source keys.Source, records slog.Handler) (url string, write func(dir string) error) {
	t.Helper()
	handler, err := admin.New(list, source, admin.Config{
		Authorize: func(r *http.Request) (admin.Caller, error) {
			return admin.Caller{Name: r.TLS.PeerCertificates[0].Subject.CommonName, Roles: []admin.Role{admin.RoleRevoke, admin.RoleKeys}}, nil
		},
		Audit: records,
	})
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	app := httptest.NewUnstartedServer(handler)
	app.TLS = &tls.Config{
		Certificates: []tls.Certificate{a.issue("shop", x509.ExtKeyUsageServerAuth)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}
	app.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	app.StartTLS()
	t.Cleanup(app.Close)
	client := a.issue("operator", x509.ExtKeyUsageClientAuth)
	key, err := x509.MarshalPKCS8PrivateKey(client.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return app.URL, func(dir string) error {
		for name, b := range map[string]*pem.Block{
			"ca.pem":     {Type: "CERTIFICATE", Bytes: a.cert.Raw},
			"client.pem": {Type: "CERTIFICATE", Bytes: client.Certificate[0]},
			"client.key": {Type: "PRIVATE KEY", Bytes: key},
		} {
			if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
				return err
			}
		}
		return nil
	}
}
