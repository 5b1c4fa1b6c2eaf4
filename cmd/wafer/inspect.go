package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

// The kinds of token, by typ.
const (
	typSession = "session+jwt"
	typRenewal = "seen+jwt"
	typBearer  = "bearer+jwt"
)

// inspection is what is known of a token. Its JSON is what --json prints.
type inspection struct {
	compact string
	parts   jwe.Parts
	broken  bool // it does not open

	Length int             `json:"length"`
	Kind   string          `json:"kind,omitempty"` // session, renewal or bearer
	Header json.RawMessage `json:"header,omitempty"`
	Key    *adminapi.Key   `json:"key,omitempty"`
	Claims json.RawMessage `json:"claims,omitempty"`
	Good   *bool           `json:"good,omitempty"`   // absent: not known without the ring
	Reason string          `json:"reason,omitempty"` // why it is not

	kid string
}

func inspectHeader(compact string) *inspection {
	in := &inspection{compact: compact, Length: len(compact)}
	if len(compact) > token.MaxLength {
		in.refuse("too_long")
		return in
	}
	var err error
	if in.parts, err = jwe.Split(compact); err != nil {
		in.refuse("malformed")
		return in
	}
	header, ok := jwe.AppendDecode(nil, in.parts.Header)
	var h struct{ Kid, Typ string }
	if !ok || json.Unmarshal(header, &h) != nil {
		in.refuse("malformed")
		return in
	}
	in.Header, in.kid = header, h.Kid
	switch h.Typ {
	case typSession:
		in.Kind = "session"
	case typRenewal:
		in.Kind = "renewal"
	case typBearer:
		in.Kind = "bearer"
	default:
		in.refuse("malformed")
	}
	return in
}

func (in *inspection) refuse(reason string) {
	good := false
	in.Good, in.Reason, in.broken = &good, reason, true
}

// open opens the token with the ring and says whether it is valid. It also shows a token of a key that
// expired or was revoked.
func (in *inspection) open(r *keys.Ring, now time.Time) {
	if in.broken {
		return
	}
	k, known := r.Key(in.kid)
	if known {
		d := adminapi.KeyOf(r, k, now)
		in.Key = &d
		if claims, err := in.parts.Open(nil, k.AEAD()); err == nil && json.Valid(claims) {
			in.Claims = claims
		}
	}
	var (
		sealer  = token.New(keys.Static(r))
		session token.Session
		renewal token.Renewal
		err     error
	)
	switch in.Kind {
	case "session":
		err = sealer.OpenSession(nil, in.compact, &session, now)
	case "bearer":
		err = sealer.OpenBearer(nil, in.compact, &session, now)
	case "renewal":
		err = sealer.OpenRenewal(nil, in.compact, &renewal, now)
	}
	ahead := now.Add(token.ClockSlack)
	switch t := now.Unix(); {
	case errors.Is(err, token.ErrRevokedKey):
		in.refuse("revoked_key")
	case errors.Is(err, token.ErrUnknownKey) && known:
		in.refuse("expired_key")
	case errors.Is(err, token.ErrUnknownKey):
		in.refuse("unknown_key")
	case errors.Is(err, token.ErrTampered):
		in.refuse("tampered")
	case err != nil:
		in.refuse("malformed")
	case max(session.IssuedAt, session.AuthTime, renewal.IssuedAt) > ahead.Unix(), session.End > ahead.Add(r.MaxSession()).Unix():
		in.refuse("out_of_bounds")
	case in.Kind != "renewal" && session.End <= t:
		in.refuse("expired_absolute")
	case max(session.Expires, renewal.Expires) <= t: // one of them is zero
		in.refuse("expired_idle")
	default:
		good := true
		in.Good = &good
	}
	in.broken = err != nil
}

// reasons explain the reasons to people.
var reasons = map[string]string{
	"too_long":         "Not a token: longer than " + strconv.Itoa(token.MaxLength) + " bytes.",
	"malformed":        "Malformed: this is not a token of Wafer.",
	"tampered":         "Tampered with: the token was changed, or another key of that id sealed it.",
	"unknown_key":      "Not good: the ring has no such key. Is it the right ring, and the newest copy?",
	"expired_key":      "Not good: its key expired.",
	"revoked_key":      "Not good: its key is revoked.",
	"out_of_bounds":    "Not good: it begins in the future, or ends later than max_session allows. Did a key leak?",
	"expired_idle":     "Not good: the idle deadline (exp) has passed.",
	"expired_absolute": "Not good: the absolute deadline (end) has passed.",
}

func (in *inspection) print(w io.Writer, now time.Time) {
	p := colours(w)
	what := "A token"
	if in.Kind != "" {
		what = "A " + in.Kind + " token"
	}
	fmt.Fprintf(w, "%s, %d bytes\n", p.paint(bold, what), in.Length)
	if in.Header != nil {
		fmt.Fprintln(w)
		var key string
		if in.Key != nil {
			key = in.Key.State
		}
		printMembers(w, in.Header, func(name, _ string) string {
			switch {
			case name == "kid" && key != "":
				return "the key is " + key
			case name == "typ" && in.Kind == "session":
				return "everything about a session"
			case name == "typ" && in.Kind == "renewal":
				return "the last renewal"
			case name == "typ" && in.Kind == "bearer":
				return "a session of a program"
			}
			return ""
		})
	}
	if in.Claims != nil {
		fmt.Fprintln(w)
		printMembers(w, in.Claims, func(name, value string) string { return explain(name, value, now) })
	}
	fmt.Fprintln(w)
	switch {
	case in.Good == nil:
		fmt.Fprintln(w, "The rest is sealed. The ring (--file) opens it.")
	case *in.Good:
		fmt.Fprintln(w, p.paint(green, "Good:"), "the key opens it and no deadline has passed.")
		fmt.Fprintln(w, p.paint(dim, "Only the list of revocations knows whether the session is revoked: see 'wafer lookup'."))
	default:
		verdict, rest, _ := strings.Cut(reasons[in.Reason], ":")
		fmt.Fprintln(w, p.paint(red, verdict+":")+rest)
		if in.Reason == "malformed" && in.Header == nil {
			fmt.Fprintln(w, notThis(in.compact))
		}
		if in.Reason == "expired_idle" && in.Kind == "session" {
			fmt.Fprintln(w, p.paint(dim, "The renewal cookie beside it may have a later one: inspect that too."))
		}
	}
}

// notThis guesses what a malformed token is.
func notThis(compact string) string {
	switch strings.Count(compact, ".") {
	case 2:
		return "It looks like a signed JWT. Wafer does not use those."
	case 4:
		return "It has the five parts of a JWE. Is it complete, with nothing before or after it?"
	}
	return "A token has five parts with dots between them. The second part is empty."
}

// printMembers prints the members of an object in their order, with a remark each.
func printMembers(w io.Writer, object json.RawMessage, remark func(name, value string) string) {
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.Token() // the brace
	var rows [][]cell
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			break
		}
		shown := string(value)
		var text string
		if json.Unmarshal(value, &text) == nil {
			shown = text
		}
		label := fmt.Sprint(name)
		note := remark(label, shown)
		if len(shown) > 60 && note != "" { // perhaps the application's data: too wide for a column
			note = ""
		}
		rows = append(rows, []cell{{safe(label), dim}, {safe(shown), ""}, {note, dim}})
	}
	table(w, "  ", rows)
}

// hexTags returns the tags in value in the spelling that audit records have.
func hexTags(value string) (out string) {
	for _, text := range strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(`[]",`, r) }) {
		if b, err := base64.RawURLEncoding.DecodeString(text); err == nil {
			out += ", " + hex.EncodeToString(b)
		}
	}
	return out
}

// explain says what a claim means, and prints times for people.
func explain(name, value string, now time.Time) string {
	about := map[string]string{
		"aud": "the application", "sid": "the session", "sub": "who is logged in",
		"stg": "tag of the subject in the list", "grp": "tags of the groups in the list",
		"auth_time": "logged in", "amr": "how the subject was authenticated", "ep": "began (the list's clock)", "ld": "data loaded (the list's clock)", "iat": "sealed",
		"exp": "idle deadline", "end": "absolute deadline",
		"chk": "not revoked up to (the list's clock)", "ln": "primary of the list then",
		"rem": "the login asked to be remembered", "ver": "writes of the data",
		"dat": "the application's data",
	}[name]
	if name == "stg" || name == "grp" {
		return about + hexTags(value)
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n <= 0 || n > 1<<53 {
		return about
	}
	switch name {
	case "auth_time", "iat", "exp", "end":
		return about + " " + from(time.Unix(n, 0), now)
	case "ep", "ld", "chk":
		return about + " " + from(time.UnixMilli(n), now)
	}
	return about
}
