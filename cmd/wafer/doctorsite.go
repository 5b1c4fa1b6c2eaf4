package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// siteFlags say which pages of a live site to check.
type siteFlags struct {
	url, page            string
	formFile, cookieFile string
	caFile               string
}

func (f *siteFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.url, "url", "", "`URL` of a page whose answer sets the cookies of a session")
	flags.StringVar(&f.formFile, "form-file", "", "`FILE` with the form to post to --url, such as\nuser=ada&password=secret; only its owner may read it")
	flags.StringVar(&f.cookieFile, "cookie-file", "", "`FILE` with the Cookie header of a session that you began, to\nsend to --url")
	flags.StringVar(&f.page, "page", "", "`URL` of a page of the same site that needs a login")
	flags.StringVar(&f.caFile, "url-ca", "", "`FILE` with the certificates, in PEM, of the authorities that\nmay sign the certificate of --url")
	for _, name := range []string{"form-file", "cookie-file", "url-ca"} {
		cmd.MarkFlagFilename(name)
	}
}

// A site is a live application as a browser sees it.
type site struct {
	url, page *url.URL // page is nil if none was given
	client    http.Client
	form      string // to post; "": none
	cookie    string // the Cookie header; "": none
	findings  []redisstore.Finding
}

func (f *siteFlags) site() (*site, error) {
	s := &site{}
	var err error
	if s.url, err = pageURL("--url", f.url); err != nil {
		return nil, err
	}
	if f.page != "" {
		if s.page, err = pageURL("--page", f.page); err != nil {
			return nil, err
		}
		if s.page.Scheme != s.url.Scheme || s.page.Host != s.url.Host {
			return nil, usagef("--page is not on the same site as --url")
		}
	}
	secret := f.formFile != "" || f.cookieFile != ""
	if secret && s.url.Scheme == "http" && !loopback(s.url.Hostname()) {
		return nil, usagef("--url %s: without https the login crosses the network in the clear", withoutQuery(s.url))
	}
	if f.formFile != "" {
		if s.form, err = readPrivate(f.formFile, "a form"); err != nil {
			return nil, err
		}
	}
	if f.cookieFile != "" {
		if s.cookie, err = readPrivate(f.cookieFile, "the cookies of a session"); err != nil {
			return nil, err
		}
		s.cookie = strings.TrimSpace(strings.TrimPrefix(s.cookie, "Cookie:"))
	}
	return s, f.connect(&s.client)
}

// connect makes c take no redirect, and trust --url-ca.
func (f *siteFlags) connect(c *http.Client) error {
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if f.caFile == "" {
		return nil
	}
	pem, err := os.ReadFile(f.caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate in PEM", f.caFile)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	c.Transport = transport
	return nil
}

func pageURL(flag, raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, usagef("%s is not a URL such as https://shop.example/login", flag)
	}
	return u, nil
}

// withoutQuery returns u for a message. A query may hold a secret.
func withoutQuery(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

func (s *site) found(l redisstore.Level, check, message, fix string) {
	s.findings = append(s.findings, redisstore.Finding{Level: l, Check: check, Message: message, Fix: fix})
}

// examine checks the site. An error means that it did not answer.
func (s *site) examine(ctx context.Context) ([]redisstore.Finding, error) {
	method := http.MethodGet
	if s.form != "" {
		method = http.MethodPost
	}
	answer, err := s.ask(ctx, method, s.url, s.form, s.cookie)
	if err != nil {
		return nil, err
	}
	s.examineTransport(answer)
	cookies := s.examineCookies(answer)
	if len(cookies) > 0 {
		s.examineCaching(answer)
	}
	if cookies = replaced(s.cookie, cookies); len(cookies) > 0 {
		return s.findings, s.examineSession(ctx, strings.Join(cookies, "; "))
	}
	return s.findings, nil
}

// replaced returns the cookies of a Cookie header after an answer set some, as a browser keeps them: a
// new one takes the place of the one that had its name.
func replaced(header string, set []string) (all []string) {
	names := map[string]bool{}
	for _, pair := range set {
		name, _, _ := strings.Cut(pair, "=")
		names[name] = true
	}
	for pair := range strings.SplitSeq(header, ";") {
		pair = strings.TrimSpace(pair)
		if name, _, _ := strings.Cut(pair, "="); pair != "" && !names[name] {
			all = append(all, pair)
		}
	}
	return append(all, set...)
}

func (s *site) ask(ctx context.Context, method string, u *url.URL, form, cookie string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // which does not repeat the URL
		}
		return nil, fmt.Errorf("%s does not answer: %w", withoutQuery(u), err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)); err != nil {
		return nil, fmt.Errorf("%s answers %d, and then breaks off: %w", withoutQuery(u), answer.StatusCode, err)
	}
	return answer, nil
}

// examineTransport checks https, HSTS and the clock of the server.
func (s *site) examineTransport(answer *http.Response) {
	const useHTTPS = "serve the site over https only, and leave httpmw.Config.InsecureHTTP unset"
	switch {
	case s.url.Scheme == "https":
		s.found(redisstore.Good, "https", "the site is served over https", "")
		s.examineHSTS(answer.Header.Get("Strict-Transport-Security"))
	case loopback(s.url.Hostname()):
		s.found(redisstore.Warning, "https", "plain http, on this machine", useHTTPS)
	default:
		s.found(redisstore.Failing, "https", "plain http: anybody on the way can read and replace the cookies", useHTTPS)
	}
	date, err := http.ParseTime(answer.Header.Get("Date"))
	if apart := time.Since(date); err == nil && apart.Abs() > time.Minute {
		s.found(redisstore.Warning, "clock", fmt.Sprintf("the clock of the site and that of this machine are %v apart", apart.Abs().Round(time.Second)),
			"let NTP set the clocks of all machines")
	}
}

// leastHSTS is the shortest max-age that does not get a warning: half a year.
const leastHSTS = 182 * 24 * time.Hour

func (s *site) examineHSTS(header string) {
	const fix = "send Strict-Transport-Security: max-age=31536000"
	age, ok := maxAgeOf(header)
	switch {
	case header == "":
		s.found(redisstore.Warning, "hsts", "no Strict-Transport-Security: a first visit over http can be taken over", fix)
	case !ok || age < leastHSTS:
		s.found(redisstore.Warning, "hsts", fmt.Sprintf("Strict-Transport-Security is %q: browsers forget it soon", header), fix)
	default:
		s.found(redisstore.Good, "hsts", "browsers remember to use https only", "")
	}
}

// examineSession checks that the site accepts the cookies that it set.
func (s *site) examineSession(ctx context.Context, cookies string) error {
	if s.page == nil {
		s.found(redisstore.Warning, "session", "not checked whether the site accepts the cookies", "name a page that needs a login with --page URL")
		return nil
	}
	with, err := s.ask(ctx, http.MethodGet, s.page, "", cookies)
	if err != nil {
		return err
	}
	without, err := s.ask(ctx, http.MethodGet, s.page, "", "")
	if err != nil {
		return err
	}
	switch accepts, open := with.StatusCode/100 == 2, without.StatusCode/100 == 2; {
	case !accepts:
		s.found(redisstore.Failing, "session", fmt.Sprintf("the site answers %d to its own cookies", with.StatusCode),
			"see the log of the application: do all replicas have the same ring, and does a proxy pass the Cookie header on?")
	case open:
		s.found(redisstore.Warning, "session", fmt.Sprintf("the page answers %d also without a session, so it shows nothing", without.StatusCode),
			"name a page that needs a login with --page URL")
	default:
		s.found(redisstore.Good, "session", fmt.Sprintf("%d with the cookies, %d without", with.StatusCode, without.StatusCode), "")
		s.examinePersonal(with)
	}
	return nil
}
