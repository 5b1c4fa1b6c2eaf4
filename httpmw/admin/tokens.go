package admin

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// A Role says what a caller may do.
type Role string

const (
	RoleRead   Role = "read"   // look up and list revocations, see the status, the replicas and the ring
	RoleRevoke Role = "revoke" // what RoleRead may, and revoke sessions
	// RoleKeys may what RoleRead may, and change the ring. To revoke a key logs people out too.
	RoleKeys Role = "keys"
)

var allRoles = []Role{RoleRead, RoleRevoke, RoleKeys}

// A Caller is who makes a request.
type Caller struct {
	Name  string // for the audit records
	Roles []Role // zero, or none that the API knows: every request is refused
}

// may reports whether c has a role. Every role includes RoleRead.
func (c Caller) may(r Role) bool {
	return slices.Contains(c.Roles, r) || r == RoleRead && (c.may(RoleRevoke) || c.may(RoleKeys))
}

// A Token is a bearer token, without the token itself: its SHA-256 is enough to recognise it. A token
// has 256 random bits, so nobody finds it from its digest, and a slow hash as for passwords would only
// help an attacker to keep the API busy.
//
// To replace a token, add one with another name, hand it out, and remove the old one when no audit
// record names it any more. Until then both are valid.
type Token struct {
	Name   string // the actor in the audit records; no two tokens have the same
	Roles  []Role
	SHA256 [sha256.Size]byte
}

// Format implements [fmt.Formatter]: every verb prints the name of the type and of the token.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "admin.Token(%s)", t.Name) }

const (
	tokenPrefix = "wafer_" // so that scanners for leaked secrets can find a token
	longestName = 64
	mostTokens  = 64
)

// NewToken makes a token. It returns what the API needs, and the token itself, for its holder.
func NewToken(name string, roles ...Role) (t Token, secret string, err error) {
	var b [32]byte
	rand.Read(b[:]) // never fails
	secret = tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	t = Token{Name: name, Roles: roles, SHA256: sha256.Sum256([]byte(secret))}
	return t, secret, t.check()
}

// MarshalText returns the line that [ParseTokens] reads: the name, the roles and the digest in
// base64url, as "deploy-2 revoke,keys uQhxshMw70bWugD7_riY3Rz-oeC9DNS5SzuJOMSdckE".
func (t Token) MarshalText() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	roles := make([]string, len(t.Roles))
	for i, r := range t.Roles {
		roles[i] = string(r)
	}
	return fmt.Appendf(nil, "%s %s %s", t.Name, strings.Join(roles, ","), base64.RawURLEncoding.EncodeToString(t.SHA256[:])), nil
}

// ParseTokens reads tokens, one in a line as "wafer admin token" prints it. It skips empty lines and
// those that begin with #.
func ParseTokens(text []byte) ([]Token, error) {
	var all []Token
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		t, err := parseToken(string(line))
		if err != nil {
			return nil, fmt.Errorf("admin: tokens: line %d: %w", n, err)
		}
		if all = append(all, t); len(all) > mostTokens {
			break
		}
	}
	return all, checkTokens(all)
}

func parseToken(line string) (t Token, err error) {
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return t, errors.New("want a name, roles and a digest")
	}
	t.Name = fields[0]
	for r := range strings.SplitSeq(fields[1], ",") {
		t.Roles = append(t.Roles, Role(r))
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(fields[2])
	if err != nil || len(b) != len(t.SHA256) {
		return Token{}, errors.New("the digest is not 32 bytes in unpadded base64url; is it the token itself? 'wafer admin token' prints the line that belongs here")
	}
	copy(t.SHA256[:], b)
	return t, t.check()
}

func (t Token) check() error {
	switch {
	case t.Name == "" || len(t.Name) > longestName || strings.HasPrefix(t.Name, "#") || strings.ContainsFunc(t.Name, func(r rune) bool {
		return r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}):
		return fmt.Errorf("the name of a token must have 1 to %d printable characters without spaces, and not begin with #", longestName)
	case len(t.Roles) == 0:
		return fmt.Errorf("the token %s has no role", t.Name)
	case t.SHA256 == [sha256.Size]byte{}, t.SHA256 == sha256.Sum256(nil):
		return fmt.Errorf("the token %s has no digest", t.Name)
	}
	for i, r := range t.Roles {
		if !slices.Contains(allRoles, r) {
			return fmt.Errorf("the token %s has the unknown role %.20q; roles are read, revoke and keys", t.Name, string(r))
		}
		if slices.Contains(t.Roles[:i], r) {
			return fmt.Errorf("the token %s has the role %s twice", t.Name, r)
		}
	}
	return nil
}

func checkTokens(all []Token) error {
	if len(all) > mostTokens {
		return fmt.Errorf("admin: there are more than %d tokens", mostTokens)
	}
	for i, t := range all {
		if err := t.check(); err != nil {
			return fmt.Errorf("admin: %w", err)
		}
		for _, o := range all[:i] {
			if o.Name == t.Name {
				return fmt.Errorf("admin: two tokens have the name %s; while you replace one, give the new one another name", t.Name)
			}
			if o.SHA256 == t.SHA256 {
				return fmt.Errorf("admin: %s and %s are one token", o.Name, t.Name)
			}
		}
	}
	return nil
}

// holder returns the name and the roles of the token that was presented. It compares digests, and all
// of them, so that the time shows neither a common prefix, nor which token matched. What is too short to
// be a token matches none, whatever digests there are.
func holder(all []Token, presented string) (c Caller, ok bool) {
	if len(presented) < MinToken {
		return Caller{}, false
	}
	sum, found := sha256.Sum256([]byte(presented)), -1
	for i := range all {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], all[i].SHA256[:]), i, found)
	}
	if found < 0 {
		return Caller{}, false
	}
	return Caller{all[found].Name, all[found].Roles}, true
}
