package backchannel

import (
	"mime"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/internal/strictjson"
)

const (
	maxToken = 16 << 10 // bytes of a logout token
	maxJTI   = 512      // bytes
	maxKID   = 256      // bytes

	logoutType  = "logout+jwt"
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// A reason says why a token was refused. Its text is the name in Stats and in the log.
type reason string

const (
	reasonRequest reason = "request" // not a form, or not exactly one token in it
	// not a compact JWS, not one JSON object, or a claim has the wrong type
	reasonMalformed  reason = "malformed"
	reasonAlgorithm  reason = "algorithm"   // "alg" is not allowed
	reasonType       reason = "type"        // "typ" is not logout+jwt
	reasonIssuer     reason = "issuer"      // "iss" is not the issuer
	reasonAudience   reason = "audience"    // "aud" does not contain our client id
	reasonExpired    reason = "expired"     // "exp" has passed, or "iat" is too long ago
	reasonTime       reason = "time"        // "iat" or "exp" is missing or too far ahead
	reasonEvent      reason = "event"       // the logout event is missing
	reasonNonce      reason = "nonce"       // there is a nonce, as in an ID token
	reasonSubject    reason = "subject"     // neither "sid" nor "sub"
	reasonJTI        reason = "jti"         // "jti" is missing
	reasonReused     reason = "jti_reused"  // "jti" belongs to another logout
	reasonUnknownKey reason = "unknown_key" // the provider has no key that fits
	reasonSignature  reason = "signature"   // the signature is wrong
)

// reasons are all of them.
var reasons = []reason{
	reasonRequest, reasonMalformed, reasonAlgorithm, reasonType, reasonIssuer, reasonAudience, reasonExpired, reasonTime,
	reasonEvent, reasonNonce, reasonSubject, reasonJTI, reasonReused, reasonUnknownKey, reasonSignature,
}

func (r reason) Error() string { return "backchannel: token refused: " + string(r) }

// A logoutToken passed every check except that of its signature.
type logoutToken struct {
	compact  string
	alg, kid string
	jti      string
	expires  time.Time
	Logout
}

// tokenIn returns the token in a form. Other parameters are ignored (section 2.5), but a second
// token is refused: other software might have checked the other one.
func tokenIn(form string) (string, error) {
	values, err := url.ParseQuery(form)
	if err != nil || len(values["logout_token"]) != 1 || values.Get("logout_token") == "" {
		return "", reasonRequest
	}
	return values.Get("logout_token"), nil
}

// isForm reports whether a Content-Type is that of a form.
func isForm(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	kind, _, err := mime.ParseMediaType(contentType[0])
	return err == nil && kind == "application/x-www-form-urlencoded"
}

// parse reads a token and checks everything that can be checked without a key (section 2.6).
// Nothing in it may be acted upon before verify.
func (c *Config) parse(compact string, now time.Time) (*logoutToken, error) {
	if len(compact) > maxToken {
		return nil, reasonMalformed
	}
	parts := strings.Split(compact, ".")
	if len(parts) != 3 { // five parts would be an encrypted token
		return nil, reasonMalformed
	}
	if _, err := unbase64(parts[2]); err != nil {
		return nil, reasonMalformed
	}
	header, err := segment(parts[0])
	if err != nil {
		return nil, reasonMalformed
	}
	t := &logoutToken{compact: compact}
	if err := c.parseHeader(t, header); err != nil {
		return nil, err
	}
	claims, err := segment(parts[1])
	if err != nil {
		return nil, reasonMalformed
	}
	return t, c.parseClaims(t, claims, now)
}

func segment(s string) (map[string]strictjson.Value, error) {
	b, err := unbase64(s)
	if err != nil {
		return nil, err
	}
	return object(b)
}

func (c *Config) parseHeader(t *logoutToken, header map[string]strictjson.Value) (err error) {
	// RFC 7515 section 4.1.11: no extension is understood here
	if _, critical := header["crit"]; critical {
		return reasonMalformed
	}
	if t.alg, err = text(header, "alg"); err != nil {
		return reasonMalformed
	}
	if !slices.Contains(c.Algorithms, t.alg) {
		return reasonAlgorithm
	}
	if t.kid, err = text(header, "kid"); err != nil || len(t.kid) > maxKID {
		return reasonMalformed
	}
	typ, err := text(header, "typ")
	if err != nil {
		return reasonMalformed
	}
	// The type is a media type (RFC 7515 section 4.1.9), so case does not matter.
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case logoutType:
		return nil
	case "", "jwt":
		if c.AllowUntyped {
			return nil
		}
	}
	return reasonType
}

func (c *Config) parseClaims(t *logoutToken, claims map[string]strictjson.Value, now time.Time) error {
	iss, err1 := text(claims, "iss")
	aud, err2 := texts(claims, "aud")
	jti, err3 := text(claims, "jti")
	sid, err4 := text(claims, "sid")
	sub, err5 := text(claims, "sub")
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return reasonMalformed
		}
	}
	if iss != c.Issuer {
		return reasonIssuer
	}
	if !slices.ContainsFunc(aud, func(id string) bool { return slices.Contains(c.ClientIDs, id) }) {
		return reasonAudience
	}
	if err := c.checkTimes(t, claims, now); err != nil {
		return err
	}
	events, err := object(claims["events"])
	if err != nil {
		return reasonEvent
	}
	if _, err := object(events[logoutEvent]); err != nil {
		return reasonEvent
	}
	// otherwise an ID token could pass for a logout token, section 2.4
	if _, there := claims["nonce"]; there {
		return reasonNonce
	}
	if sid == "" && sub == "" {
		return reasonSubject
	}
	if jti == "" || len(jti) > maxJTI {
		return reasonJTI
	}
	t.jti = jti
	t.Logout = Logout{Issuer: iss, Session: sid, Subject: sub}
	return nil
}

func (c *Config) checkTimes(t *logoutToken, claims map[string]strictjson.Value, now time.Time) error {
	iat, hasIAT, err1 := seconds(claims, "iat")
	exp, hasEXP, err2 := seconds(claims, "exp")
	if err1 != nil || err2 != nil {
		return reasonMalformed
	}
	if !hasIAT || !hasEXP || exp <= iat {
		return reasonTime
	}
	issued, expires := time.Unix(iat, 0), time.Unix(exp, 0)
	t.expires = expires
	switch {
	case issued.After(now.Add(c.Leeway)), expires.After(now.Add(c.MaxAge + c.Leeway)):
		return reasonTime
	case !now.Before(expires.Add(c.Leeway)), now.After(issued.Add(c.MaxAge + c.Leeway)):
		return reasonExpired
	}
	return nil
}
