package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

const (
	// mostCookie is what browsers accept of name and value of one cookie (RFC 6265bis §5.6).
	mostCookie = 4096
	// mostLines is what nginx passes of all Set-Cookie lines with its default buffers.
	mostLines = 3500
)

// examineCookies checks the cookies of a session that an answer sets, and returns them as a Cookie header
// has them.
func (s *site) examineCookies(answer *http.Response) (pairs []string) {
	lines, others := 0, 0
	seen := map[string]bool{}
	for _, line := range answer.Header["Set-Cookie"] {
		lines += len(line)
		c, err := http.ParseSetCookie(line)
		if err != nil || c.MaxAge < 0 || c.Value == "" {
			continue // it ends a cookie
		}
		if inspectHeader(c.Value).Kind == "" {
			others++
			continue
		}
		if seen[c.Name] {
			s.found(redisstore.Warning, "cookie", c.Name+" is set twice in one answer", "look for a proxy or middleware that repeats headers")
		}
		seen[c.Name] = true
		pairs = append(pairs, c.Name+"="+c.Value)
		s.examineCookie(c)
	}
	switch {
	case len(pairs) == 0 && s.cookie != "":
		s.found(redisstore.Warning, "cookies", "the answer sets no cookie of a session, so their attributes are not checked", "give the form of a login with --form-file")
	case len(pairs) == 0:
		s.found(redisstore.Failing, "cookies", fmt.Sprintf("status %d, and no cookie of a session among %s", answer.StatusCode, counted(others, "other cookie")),
			"name the page that logs in with --url, and its form with --form-file")
	case lines > mostLines:
		s.found(redisstore.Warning, "size", fmt.Sprintf("all Set-Cookie lines together have %d bytes", lines),
			"raise the header buffers of every proxy (nginx: proxy_buffer_size 16k and proxy_busy_buffers_size 16k), or keep less in the session")
	default:
		s.found(redisstore.Good, "size", fmt.Sprintf("all Set-Cookie lines together have %d bytes of at most %d", lines, mostLines), "")
	}
	return pairs
}

// examineCookie checks one cookie. What Wafer would not have written, somebody on the way has changed.
func (s *site) examineCookie(c *http.Cookie) {
	before := len(s.findings)
	bad := func(l redisstore.Level, message, fix string) { s.found(l, "cookie", c.Name+" "+message, fix) }
	const proxy = "look for a proxy or middleware that rewrites cookies"
	if !c.Secure {
		level := redisstore.Failing
		if s.url.Scheme == "http" && loopback(s.url.Hostname()) {
			level = redisstore.Warning
		}
		bad(level, "has no Secure: it crosses networks in the clear", "leave httpmw.Config.InsecureHTTP unset, and "+proxy)
	}
	if !c.HttpOnly {
		bad(redisstore.Failing, "has no HttpOnly: scripts can read it", proxy)
	}
	switch c.SameSite {
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	case http.SameSiteNoneMode:
		bad(redisstore.Warning, "has SameSite=None: other sites' pages send it", "set httpmw.Config.SameSite to Lax, unless this site is embedded in others")
	default:
		bad(redisstore.Failing, "has no SameSite", proxy)
	}
	if c.Path != "/" {
		bad(redisstore.Failing, fmt.Sprintf("has the Path %q: other pages of the site do not get it", c.Path), proxy)
	}
	s.examinePrefix(c, bad)
	if n := len(c.Name) + len(c.Value); n > mostCookie {
		bad(redisstore.Failing, fmt.Sprintf("has %d bytes, and browsers drop more than %d", n, mostCookie), "keep less in the session")
	}
	if len(s.findings) == before {
		s.found(redisstore.Good, "cookie", fmt.Sprintf("%s: Secure, HttpOnly, %s, %d bytes", c.Name, sameSite(c.SameSite), len(c.Name)+len(c.Value)), "")
	}
}

// examinePrefix checks the prefix of the name, which says what a browser guarantees.
func (s *site) examinePrefix(c *http.Cookie, bad func(l redisstore.Level, message, fix string)) {
	lower := strings.ToLower(c.Name)
	host := strings.HasPrefix(lower, "__host-")
	switch {
	case host && (c.Domain != "" || c.Path != "/" || !c.Secure):
		bad(redisstore.Failing, "has attributes that its prefix forbids: browsers drop it", "look for a proxy or middleware that rewrites cookies")
	case host:
	case c.Domain != "":
		bad(redisstore.Warning, fmt.Sprintf("has the Domain %s: every host below it gets the cookie, and can replace it", c.Domain), "leave httpmw.Config.Domain unset, unless these hosts share sessions")
	case c.Secure:
		bad(redisstore.Warning, "has no prefix __Host-: a neighbouring host can replace it", "leave httpmw.Config.Domain and InsecureHTTP unset")
	}
}

func sameSite(m http.SameSite) string {
	if m == http.SameSiteStrictMode {
		return "SameSite=Strict"
	}
	return "SameSite=Lax"
}

// examineCaching checks that no cache may keep an answer that sets a session: it would hand the session
// to others.
func (s *site) examineCaching(answer *http.Response) {
	const fix = "let proxies and CDNs keep Cache-Control as the application sends it, and store nothing with Set-Cookie"
	d := cacheDirectives(answer.Header)
	age := answer.Header.Get("Age")
	switch {
	case age != "" && age != "0":
		s.found(redisstore.Failing, "caching", "the answer with the cookies came from a cache: others get the same session", fix)
	case d["no-store"]:
		s.found(redisstore.Good, "caching", "no cache keeps an answer that sets cookies", "")
	case d["private"]:
		s.found(redisstore.Warning, "caching", "Cache-Control of the answer with the cookies is private, and not no-store", fix)
	default:
		s.found(redisstore.Failing, "caching", "Cache-Control lets caches keep the answer that sets the cookies", fix)
	}
}

// examinePersonal checks that caches do not serve the page of somebody who is logged in to others.
func (s *site) examinePersonal(answer *http.Response) {
	d := cacheDirectives(answer.Header)
	vary := strings.ToLower(strings.Join(answer.Header["Vary"], ","))
	if d["no-store"] || d["private"] || strings.Contains(vary, "cookie") || strings.Contains(vary, "*") {
		s.found(redisstore.Good, "vary", "caches keep the page of one session apart from others", "")
		return
	}
	s.found(redisstore.Failing, "vary", "the page of a session has neither Vary: Cookie nor no-store: a cache may serve it to others",
		"let proxies and CDNs keep Vary as the application sends it")
}

// cacheDirectives returns the names of the directives in Cache-Control.
func cacheDirectives(h http.Header) map[string]bool {
	all := map[string]bool{}
	for _, field := range h["Cache-Control"] {
		for directive := range strings.SplitSeq(field, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(directive), "=")
			all[strings.ToLower(name)] = true
		}
	}
	return all
}

// maxAgeOf returns the max-age of a Strict-Transport-Security header.
func maxAgeOf(header string) (time.Duration, bool) {
	for directive := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		seconds, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 64)
		return time.Duration(min(seconds, 1<<32)) * time.Second, err == nil && seconds >= 0
	}
	return 0, false
}
