package backchannel

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"

	"github.com/wafer-sessions/wafer/revocation"
)

// Groups returns the names that tie a session to the provider: at most two, for Identity.Groups.
// They are made of the claims "iss", "sid" and "sub" of the ID token that the user logged in with.
// sid or sub may be "" if the token lacks it; without both there are no groups.
//
// Names have at most 256 bytes. Different claims never have the same name, and the name for given
// claims never changes, since living sessions carry it.
func Groups(iss, sid, sub string) []string {
	var names []string
	if sid != "" {
		names = append(names, group("sid", iss, sid))
	}
	if sub != "" {
		names = append(names, group("sub", iss, sub))
	}
	if sub != "" && sid == "" {
		names = append(names, group("lone", iss, sub))
	}
	return names
}

// targets returns what a logout token ends. A token with both claims means one session at the
// provider, but a session that was logged in without a sid may belong to it too.
func (l Logout) targets() []revocation.Target {
	switch {
	case l.Session == "":
		return []revocation.Target{revocation.Group(group("sub", l.Issuer, l.Subject))}
	case l.Subject == "":
		return []revocation.Target{revocation.Group(group("sid", l.Issuer, l.Session))}
	}
	return []revocation.Target{
		revocation.Group(group("sid", l.Issuer, l.Session)),
		revocation.Group(group("lone", l.Issuer, l.Subject)),
	}
}

const maxGroup = 256 // bytes of a group's name in a session

// group returns a name. The length before iss keeps ("a", "b:c") and ("a:b", "c") apart. A hashed
// name has "#" in place of the length, so no other name can look like it.
func group(kind, iss, id string) string {
	rest := strconv.Itoa(len(iss)) + ":" + iss + ":" + id
	if name := "oidc:" + kind + ":" + rest; len(name) <= maxGroup {
		return name
	}
	sum := sha256.Sum256([]byte(rest))
	return "oidc:" + kind + ":#" + base64.RawURLEncoding.EncodeToString(sum[:])
}
