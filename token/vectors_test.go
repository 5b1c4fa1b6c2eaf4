package token_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/token"
)

const vectorDir = "../testdata/vectors"

// A vector is a file that says what must happen to a token. It has lines of the form "name: value",
// an empty line, the token, and a line feed that is not part of it.
type vector struct {
	file   string
	expect string // "opens", or the error
	about  string // the purpose of the vector
	kind   string // the kind it is opened as: "session", "seen" or "bearer"
	now    int64  // seconds since 1970
	keys   []string
	claims string // in the canonical form, if it opens
	token  string
}

var vectorErrors = map[string]error{
	"opens":       nil,
	"too long":    token.ErrTooLong,
	"malformed":   token.ErrMalformed,
	"unknown key": token.ErrUnknownKey,
	"revoked key": token.ErrRevokedKey,
	"tampered":    token.ErrTampered,
}

// vectors reads all vectors, and fails the test if there are none.
func vectors(t testing.TB) []vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors in %s: %v", vectorDir, err)
	}
	var all []vector
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parseVector(t, strings.TrimSuffix(filepath.Base(file), ".txt"), string(b)))
	}
	return all
}

func parseVector(t testing.TB, file, text string) vector {
	t.Helper()
	v := vector{file: file}
	head, body, ok := strings.Cut(text, "\n\n")
	v.token = strings.TrimSuffix(body, "\n")
	if !ok || v.token == body {
		t.Fatalf("%s: no token", file)
	}
	for line := range strings.SplitSeq(head, "\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("%s: %q is not a header", file, line)
		}
		switch name {
		case "expect":
			v.expect = value
		case "about":
			v.about = value
		case "kind":
			v.kind = value
		case "now":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			v.now = n
		case "key":
			v.keys = append(v.keys, value)
		case "claims":
			v.claims = value
		default:
			t.Fatalf("%s: unknown header %q", file, name)
		}
	}
	if _, ok := vectorErrors[v.expect]; !ok || (v.claims != "") != (v.expect == "opens") || v.about == "" ||
		!slices.Contains([]string{"session", "seen", "bearer"}, v.kind) || len(v.keys) == 0 || v.now == 0 {
		t.Fatalf("%s: headers are missing or do not fit together", file)
	}
	return v
}

func (v vector) String() string {
	var b strings.Builder
	b.WriteString("expect: " + v.expect + "\nabout: " + v.about + "\nkind: " + v.kind + "\nnow: " + strconv.FormatInt(v.now, 10) + "\n")
	for _, k := range v.keys {
		b.WriteString("key: " + k + "\n")
	}
	if v.claims != "" {
		b.WriteString("claims: " + v.claims + "\n")
	}
	b.WriteString("\n" + v.token + "\n")
	return b.String()
}

func TestVectors(t *testing.T) {
	met := make(map[string]int)
	for _, v := range vectors(t) {
		met[v.expect]++
		t.Run(v.file, func(t *testing.T) {
			s := token.New(staticRing(t, v.keys...))
			var claims []byte
			var err error
			switch v.kind {
			case "session", "bearer":
				open := s.OpenSession
				if v.kind == "bearer" {
					open = s.OpenBearer
				}
				var c token.Session
				if err = open(nil, v.token, &c, time.Unix(v.now, 0)); err == nil {
					claims = token.AppendSession(nil, &c)
				}
			case "seen":
				var c token.Renewal
				if err = s.OpenRenewal(nil, v.token, &c, time.Unix(v.now, 0)); err == nil {
					claims = token.AppendRenewal(nil, &c)
				}
			}
			if want := vectorErrors[v.expect]; !errors.Is(err, want) {
				t.Fatalf("%v, want: %s", err, v.expect)
			}
			if diff := cmp.Diff(v.claims, string(claims)); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
	for expect := range vectorErrors {
		if met[expect] == 0 {
			t.Errorf("no vector says %q", expect)
		}
	}
}
