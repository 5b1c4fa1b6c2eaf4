package gorilla_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/wafer-sessions/wafer/httpmw/gorilla"
)

// Whatever comes, parse takes apart what securecookie accepts, and only one way.
func FuzzOldCookie(f *testing.F) {
	signed := securecookie.New(secret(3, 64), nil).MaxAge(0)
	sealed := securecookie.New(secret(1, 32), secret(2, 32)).MaxAge(0)
	text := func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) }
	for _, seed := range []string{
		encode(f, signed, adas), encode(f, sealed, adas), encode(f, signed, map[any]any{}),
		"", "=", "====", "AA\r\nAA", text("|"), text("||"), text("1|2|3"), text("-1|2|3"), text("+1|2|3"), text("01|2|3"), text("1e9|2|3"),
		text("9223372036854775807|2|3"), text("9223372036854775808|2|3"), text("1099511627777|2|3"), text("1|2"), text("|2|3"), text("1||3"), text("1|2|a|b|c"),
		strings.Repeat("A", 4096), strings.Repeat("A", 4097), strings.Repeat("|", 100),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p, ok := gorilla.Parse(value)
		for _, codec := range []securecookie.Codec{signed, sealed} {
			var values map[any]any
			if codec.Decode(oldName, value, &values) == nil && !ok {
				t.Fatalf("securecookie opens %q, and its timestamp cannot be read", value)
			}
		}
		if !ok {
			return
		}
		if len(value) > 4096 || p.Saved.Unix() <= 0 || p.Saved.After(time.Unix(1<<40, 0)) || len(p.Credential) == 0 {
			t.Fatalf("%q: saved %v, credential %q", value, p.Saved, p.Credential)
		}
		// The credential is the text up to the mac, however it was spelled.
		b, err := base64.URLEncoding.DecodeString(value)
		if err != nil || !bytes.HasPrefix(b, append(p.Credential, '|')) || bytes.Count(p.Credential, []byte("|")) != 1 {
			t.Fatalf("%q: credential %q", value, p.Credential)
		}
		again, ok := gorilla.Parse(base64.URLEncoding.EncodeToString(b))
		if !ok || !bytes.Equal(again.Credential, p.Credential) || !again.Saved.Equal(p.Saved) {
			t.Fatalf("%q: %+v, and in its usual spelling %+v", value, p, again)
		}
	})
}
