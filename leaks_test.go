package wafer_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// A finder finds secrets in text, in any spelling that a printer may give them.
type finder struct {
	// first bytes of a spelling → spelling → name of the secret
	forms map[[start]byte]map[string]string
	clean map[string]bool // texts that were already searched
}

const start = 5 // bytes

// add adds a secret in pieces of six bytes, in every spelling of fmt and in base64.
func (f *finder) add(name string, secret []byte) {
	if f.forms == nil {
		f.forms, f.clean = map[[start]byte]map[string]string{}, map[string]bool{}
	}
	put := func(form string) {
		if len(form) < start {
			return // its own brackets and quotes were cut off
		}
		begin := [start]byte([]byte(form))
		if f.forms[begin] == nil {
			f.forms[begin] = map[string]string{}
		}
		f.forms[begin][form] = name
	}
	for i := 0; i+6 <= len(secret); i++ {
		part := secret[i : i+6]
		for _, verb := range []string{"%s", "%x", "%X", "%d", "% x", "% X", "%#x", "%#X", "%#v", "%q", "%+q", "%o", "%b", "%U", "%c"} {
			s := strings.TrimPrefix(fmt.Sprintf(verb, part), "[]byte{")
			s = strings.Trim(s, `[]"{}`)
			for _, form := range []string{s, strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X"), strings.ReplaceAll(s, " ", ", "), strings.ReplaceAll(s, " ", ",")} {
				put(form)
			}
		}
	}
	for _, enc := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		for shift := range 3 { // a secret may begin at any offset of the encoded text
			s := enc.EncodeToString(secret[shift:])
			for i := 0; i+8 <= len(s)-1; i++ {
				put(s[i : i+8])
			}
		}
	}
}

// in returns the name of a secret that text shows, or "".
func (f *finder) in(text string) string {
	if f.clean[text] {
		return ""
	}
	for i := 0; i+start <= len(text); i++ {
		for form, name := range f.forms[[start]byte([]byte(text[i:i+start]))] {
			if strings.HasPrefix(text[i:], form) {
				return name
			}
		}
	}
	f.clean[text] = true
	return ""
}

// prints calls each with everything that fmt, slog and encoding/json print for v.
func prints(v any, each func(how, text string)) {
	for _, flags := range []string{"", "+", "#", " ", "-9", "09", ".3"} {
		for _, verb := range "vsqxXdobOcUeEfFgGtpTwy" {
			form := "%" + flags + string(verb)
			each(form, fmt.Sprintf(form, v))
		}
	}
	each("Sprint", fmt.Sprint(v))
	each("Errorf", fmt.Errorf("%w %s", fmt.Errorf("%v", v), v).Error())
	out, err := json.MarshalIndent(v, "", " ")
	each("json", fmt.Sprintf("%s %v", out, err))
	var log bytes.Buffer
	opts := &slog.HandlerOptions{Level: slog.LevelDebug}
	for _, l := range []*slog.Logger{slog.New(slog.NewTextHandler(&log, opts)), slog.New(slog.NewJSONHandler(&log, opts))} {
		l.Info("m", "v", v)
		l.With("w", v).WithGroup("g").Info("m", slog.Group("h", "v", v), slog.Any("a", []any{v}))
	}
	each("slog", log.String())
}

// If the finder finds nothing, the tests that use it prove nothing.
func TestFinderFinds(t *testing.T) {
	secret := []byte{0x9d, 0x01, 0xfe, 0x77, 0x00, 0xc4, 0xa1, 0x32, 0x5b, 0x6e, 0x88, 0x43, 0xd2, 0xf0, 0x19, 0x6a}
	text := "qzvxw81@kfjtp72.zzq"
	var f finder
	f.add("bytes", secret)
	f.add("text", []byte(text))
	type box struct{ b [16]byte }
	for _, v := range []any{
		secret, string(secret), text, []byte(text), [16]byte(secret), box{[16]byte(secret)}, &box{[16]byte(secret)}, struct{ S []byte }{secret},
		struct{ s string }{text}, []any{secret}, map[string]any{"a": text}, base64.StdEncoding.EncodeToString(append([]byte("x"), secret...)),
	} {
		found := map[string]bool{}
		prints(v, func(how, out string) {
			if f.in(out) != "" {
				found[how] = true
			}
		})
		for _, how := range []string{"%v", "%+v", "%#v", "slog"} {
			if !found[how] {
				t.Errorf("%s of %T: nothing is found", how, v)
			}
		}
	}
	if name := f.in("revocation.List keys.Key(9fefK0k0r4c) wafer"); name != "" {
		t.Errorf("%s is found where it is not", name)
	}
}
