package keys_test

import (
	"bytes"
	"context"
	"crypto/fips140"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/keys"
)

// A leak finds secrets in text, in any form that a printer may give them.
type leak struct{ forms []string }

func (l *leak) add(secret []byte) {
	for i := 0; i+6 <= len(secret); i++ {
		part := secret[i : i+6]
		l.forms = append(l.forms, string(part), hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)))
		for _, verb := range []string{"%d", "%v", "% x", "% X", "%#x", "%#v", "%q", "%+q", "%o", "%b", "%U", "%c"} {
			s := strings.TrimPrefix(fmt.Sprintf(verb, part), "[]byte{")
			s = strings.TrimPrefix(strings.Trim(s, `[]"{}`), "0x")
			l.forms = append(l.forms, s, strings.ReplaceAll(s, " ", ", "), strings.ReplaceAll(s, " ", ","))
		}
	}
	for _, enc := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
		for shift := range 3 { // a secret may begin at any offset of the encoded text
			s := enc.EncodeToString(secret[shift:])
			for i := 0; i+8 <= len(s)-1; i++ {
				l.forms = append(l.forms, s[i:i+8])
			}
		}
	}
}

func (l *leak) in(s string) bool {
	for _, f := range l.forms {
		if strings.Contains(s, f) {
			return true
		}
	}
	return false
}

// secretsOf returns the secrets in the document of a ring.
func secretsOf(r *keys.Ring) (all [][]byte) {
	var set struct {
		ListKey string `json:"list_key"`
		Keys    []struct{ K string }
	}
	if err := json.Unmarshal(r.PlaintextJWKSet(), &set); err != nil {
		panic(err)
	}
	for _, k := range set.Keys {
		all = append(all, must(base64.RawURLEncoding.DecodeString(k.K)))
	}
	return append(all, must(base64.RawURLEncoding.DecodeString(set.ListKey)))
}

func TestNoSecretPrints(t *testing.T) {
	ctx := t.Context()
	r := must(keys.Parse([]byte(golden(t))))
	var secrets leak
	for _, s := range secretsOf(r) {
		secrets.add(s)
	}
	kekBytes := must(hex.DecodeString("9d01fe7700c4a1325b6e8843d2f0196abb3c5517e4a80d72639f284ec1b6057e"))
	passphrase := []byte("correct horse battery staple")
	secrets.add(kekBytes)
	secrets.add(passphrase)

	kek := keys.KEKFunc(func(context.Context) ([]byte, error) { return kekBytes, nil })
	pass := keys.Passphrase(func(context.Context) ([]byte, error) { return passphrase, nil })
	path := filepath.Join(t.TempDir(), "ring.jwe")
	sealed := pass // so that the file keeps the key derived from the passphrase
	if fips140.Enforced() {
		sealed = kek
	}
	if err := keys.CreateFile(ctx, path, sealed, r); err != nil {
		t.Fatal(err)
	}
	// its background rests while it is printed
	file, err := keys.OpenFile(ctx, path, sealed, keys.FileConfig{Poll: time.Hour, PollOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	k := r.Keys()[0]

	values := map[string]any{
		"ring":             r,
		"ring by value":    *r,
		"pointer to it":    &r,
		"key":              k,
		"pointer to a key": &k,
		"keys":             r.Keys(),
		"keys in an array": [1]keys.Key{k},
		"keys in a map":    map[string]keys.Key{"k": k},
		"key as a map key": map[keys.Key]int{k: 1},
		"kek":              kek,
		"pointer to a kek": &kek,
		"passphrase":       pass,
		"plaintext":        keys.InsecurePlaintext(),
		"no kek":           keys.KEK{},
		"file":             file,
		"static source":    keys.Static(r),
		"nil ring":         (*keys.Ring)(nil),
		"nil file":         (*keys.File)(nil),
		"exported": struct {
			R *keys.Ring
			V keys.Ring
			K keys.Key
			E keys.KEK
			F *keys.File
			A any
		}{r, *r, k, pass, file, k},
		"unexported": struct {
			r *keys.Ring
			v keys.Ring
			k keys.Key
			p *keys.Key
			s []keys.Key
			e keys.KEK
			f *keys.File
			a any
		}{r, *r, k, &k, r.Keys(), pass, file, k},
		"pointer to unexported": &struct {
			v keys.Ring
			k keys.Key
			e keys.KEK
			x keys.Source
		}{*r, k, kek, keys.Static(r)},
		"error": fmt.Errorf("with %v, %+v and %w", r, k, fmt.Errorf("%#v", kek)),
	}
	check := func(t *testing.T, how, out string) {
		t.Helper()
		if secrets.in(out) {
			t.Errorf("%s prints a secret: %.1000s", how, out)
		}
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			for _, verb := range strings.Split("v +v #v s q +q #q x X #x d o O b c U e E f g G t p T", " ") {
				check(t, "%"+verb, fmt.Sprintf("%"+verb, v))
			}
			check(t, "Sprint", fmt.Sprint(v))
			for _, indent := range []string{"", " "} {
				out, err := json.MarshalIndent(v, "", indent)
				check(t, "json", fmt.Sprintf("%s %v", out, err))
			}
			var out bytes.Buffer
			opts := &slog.HandlerOptions{Level: slog.LevelDebug}
			for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, opts)), slog.New(slog.NewJSONHandler(&out, opts))} {
				log.Info("m", "v", v)
				log.With("w", v).WithGroup("g").Info("m", slog.Group("h", "v", v), slog.Any("a", []any{v}))
			}
			check(t, "slog", out.String())
			var walked bytes.Buffer
			walk(&walked, reflect.ValueOf(v), 0, map[uintptr]bool{})
			check(t, "a printer that follows pointers", walked.String())
		})
	}
}

// If the finder finds nothing, the test above proves nothing.
func TestLeaksAreFound(t *testing.T) {
	secret := must(base64.RawURLEncoding.DecodeString("dwb4XYaQAkrWvaNAG-nIy8zJNfbNH2EiauFTOK4aNAA"))
	var l leak
	l.add(secret)
	type box struct{ b [32]byte }
	in := box{[32]byte(secret)}
	for _, v := range []any{in, &in, secret, string(secret), struct{ S []byte }{secret}, base64.StdEncoding.EncodeToString(append([]byte("x"), secret...))} {
		for _, verb := range []string{"v", "+v", "#v", "x", "X", "d", "q"} {
			if out := fmt.Sprintf("%"+verb, v); verb != "q" && !l.in(out) && !strings.HasPrefix(out, "%!") {
				if _, isText := v.(string); isText && verb != "v" {
					continue // text in hex belongs to another secret
				}
				t.Errorf("%%%s of %T is not found: %s", verb, v, out)
			}
		}
	}
	if l.in("keys.Key(9fefK0k0r4c)") {
		t.Error("a kid is taken for a secret")
	}
	var walked bytes.Buffer
	walk(&walked, reflect.ValueOf(struct{ p *box }{&in}), 0, map[uintptr]bool{})
	if !l.in(walked.String()) {
		t.Error("the walker does not follow pointers")
	}
	a, err := jwe.AEAD(secret)
	if err != nil {
		t.Fatal(err)
	}
	walked.Reset()
	walk(&walked, reflect.ValueOf(struct{ a any }{a}), 0, map[uintptr]bool{})
	if !l.in(walked.String()) {
		t.Error("the walker does not find the key inside a cipher")
	}
}

// walk prints everything that a value reaches, through unexported fields and pointers, as debugging
// printers do.
func walk(w *bytes.Buffer, v reflect.Value, depth int, seen map[uintptr]bool) {
	if depth > 40 || w.Len() > 4<<20 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return
		}
		seen[v.Pointer()] = true
		walk(w, v.Elem(), depth+1, seen)
	case reflect.Interface:
		if !v.IsNil() {
			walk(w, v.Elem(), depth+1, seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(w, v.Field(i), depth+1, seen)
		}
	case reflect.Slice, reflect.Array:
		if e := v.Type().Elem().Kind(); e == reflect.Uint8 || e == reflect.Uint32 || e == reflect.Uint64 {
			var little, big []byte // ciphers keep keys in words, in the machine's byte order
			for i := range v.Len() {
				n := v.Index(i).Uint()
				switch e {
				case reflect.Uint8:
					little, big = append(little, byte(n)), append(big, byte(n))
				case reflect.Uint32:
					little, big = binary.LittleEndian.AppendUint32(little, uint32(n)), binary.BigEndian.AppendUint32(big, uint32(n))
				case reflect.Uint64:
					little, big = binary.LittleEndian.AppendUint64(little, n), binary.BigEndian.AppendUint64(big, n)
				}
			}
			fmt.Fprintf(w, "%s %x\n%s %x\n", little, little, big, big)
			return
		}
		for i := range v.Len() {
			walk(w, v.Index(i), depth+1, seen)
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			walk(w, it.Key(), depth+1, seen)
			walk(w, it.Value(), depth+1, seen)
		}
	case reflect.String:
		fmt.Fprintln(w, v.String())
	}
}
