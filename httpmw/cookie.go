package httpmw

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/wafer-sessions/wafer/token"
)

const (
	renewalSuffix   = "-seen"
	anonymousSuffix = "-anon"

	// maxLines bounds the Set-Cookie lines of one response together, in bytes. With its default
	// buffers, and six usual security headers beside the cookies, nginx answers 502 to 3,617 bytes
	// and passes 3,500.
	maxLines = 3500

	// maxAge is where browsers cap Max-Age (RFC 6265bis §5.5), in seconds: 400 days.
	maxAge = 400 * 24 * 60 * 60
)

// cookieStyle holds the names and attributes of the cookies. Attributes are rendered once and are
// the same whenever a cookie is written or expired: otherwise a browser would keep two cookies of
// one name.
type cookieStyle struct {
	session, anonymous, renewal string // names
	attributes                  string
	secure                      bool
}

func newCookieStyle(c Config) cookieStyle {
	prefix := "__Host-Http-"
	switch {
	case c.InsecureHTTP:
		prefix = ""
	case c.Domain != "":
		prefix = "__Secure-"
	}
	var a strings.Builder
	a.WriteString("; Path=/")
	if c.Domain != "" {
		a.WriteString("; Domain=" + c.Domain)
	}
	a.WriteString("; HttpOnly")
	if !c.InsecureHTTP {
		a.WriteString("; Secure")
	}
	switch c.SameSite {
	case http.SameSiteStrictMode:
		a.WriteString("; SameSite=Strict")
	case http.SameSiteNoneMode:
		a.WriteString("; SameSite=None")
	default:
		a.WriteString("; SameSite=Lax")
	}
	if c.Partitioned {
		a.WriteString("; Partitioned")
	}
	name := prefix + c.App
	return cookieStyle{name, name + anonymousSuffix, name + renewalSuffix, a.String(), !c.InsecureHTTP}
}

// nameOf returns the name of the cookie a session belongs in.
func (k *cookieStyle) nameOf(t *token.Session) string {
	if listed(t) {
		return k.session
	}
	return k.anonymous
}

// line renders a Set-Cookie line. lifetime is Max-Age in seconds, 0 for a cookie that ends with the
// browser.
func (k *cookieStyle) line(name, value string, lifetime int64) string {
	if lifetime <= 0 {
		return name + "=" + value + k.attributes
	}
	return name + "=" + value + k.attributes + "; Max-Age=" + strconv.FormatInt(min(lifetime, maxAge), 10)
}

// expired renders a line that ends a cookie. Expires is for clients that do not support Max-Age.
func (k *cookieStyle) expired(name string) string {
	return name + "=" + k.attributes + "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"
}

// ours reports whether a Set-Cookie line sets one of our cookies.
func (k *cookieStyle) ours(line string) bool {
	rest, ok := strings.CutPrefix(line, k.session)
	if !ok {
		return false
	}
	if strings.HasPrefix(rest, renewalSuffix+"=") {
		return true
	}
	rest = strings.TrimPrefix(rest, anonymousSuffix)
	return isChunk(rest) || strings.HasPrefix(rest, "=")
}
