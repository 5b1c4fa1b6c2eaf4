package backchannel

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"

	"github.com/wafer-sessions/wafer/revocation"
)

// Groups returns what ties a session to the provider: at most two names for Identity.Groups, from the claims "iss", "sid" and "sub" of the ID
// token that the user logged in with. sid or sub may be "" if the token has none; without both there are no groups.
//
// Names have at most 256 bytes. Two sets of claims never share one, and the names never change, since living sessions carry them.
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

// targets are what a logout token ends. With both claims it means one session at the provider, and who logged in without a sid may be of that
// session, too.
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

// group spells a name. The length in front of iss keeps ("a", "b:c") and ("a:b", "c") apart, and the mark of a hashed name, "#" in the
// place of the length, keeps it apart from one that only looks like it.
func group(kind, iss, id string) string {
	rest := strconv.Itoa(len(iss)) + ":" + iss + ":" + id
	if name := "oidc:" + kind + ":" + rest; len(name) <= maxGroup {
		return name
	}
	sum := sha256.Sum256([]byte(rest))
	return "oidc:" + kind + ":#" + base64.RawURLEncoding.EncodeToString(sum[:])
}
