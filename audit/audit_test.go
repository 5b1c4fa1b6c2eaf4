package audit_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/audit"
)

const (
	tag   = "00112233445566778899aabbccddeeff"
	chain = "0011223344556677"
)

// examples are records with all members.
var examples = []audit.Record{
	{
		Action: audit.Revoke, By: audit.By{Actor: "deploy-2", Claimed: "grace", Address: "192.0.2.1:80", Reason: "stolen \"laptop\"", Via: audit.ViaAdmin},
		Target: audit.Target{Scope: "subject", Tag: tag}, Since: time.UnixMilli(1760000000123).UTC(),
		List: tag, Position: "1760000000123-7", Head: "1760000000123-9", Chain: chain, Changed: true,
	},
	{Action: audit.Revoke, By: audit.By{Via: audit.ViaCommand}, Target: audit.Target{Scope: "group", Tag: tag}, Effect: "require_login"},
	{Action: audit.Revoke, By: audit.By{Via: audit.ViaCommand}, Target: audit.Target{Scope: "everyone", Tag: tag}, Over: time.Hour},
	{Action: audit.RevokeMany, By: audit.By{Via: audit.ViaCommand}, Quiet: true, Count: 3, List: tag, Position: "5-0", Head: "5-0", Chain: chain, Error: "half of it"},
	{Action: audit.Keys, By: audit.By{Via: audit.ViaApplication}, Ring: audit.Change{
		What: "rotate", ID: "pU3KGCUwux1tEyze1iN7Lg", KID: "AAAAAAAAAAA", Added: []string{"a"}, Removed: []string{"b", "c"}, Revoked: []string{"d"}, MaxSession: 3600, Options: "immediate",
	}},
	{Action: audit.Reset, By: audit.By{Actor: "grace", Reason: "damaged", Via: audit.ViaCommand}, List: tag},
	{Action: audit.Reset, By: audit.By{Via: audit.ViaCommand}, Error: "no answer"},
	{Action: audit.Refused, By: audit.By{Via: audit.ViaAdmin}, Call: audit.Call{Code: "role", Method: "POST", Path: "/keys/{kid}/revoke", Unlogged: 4}},
}

// line returns the line of r.
func line(r audit.Record) []byte {
	var b bytes.Buffer
	r.Write(audit.With(context.Background(), r.By), slog.NewJSONHandler(&b, nil))
	return b.Bytes()
}

// Parse reads what Write writes.
func TestParse(t *testing.T) {
	for _, want := range examples {
		b := line(want)
		got, err := audit.Parse(b)
		if err != nil || got.Time.IsZero() {
			t.Fatalf("%s: %v", b, err)
		}
		got.Time = time.Time{}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", b, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(line(examples[0]))
	reset := string(line(audit.Record{Action: audit.Reset, List: tag}))
	for name, bad := range map[string]string{
		"a list, and no place in it": strings.Replace(reset, `"reset"`, `"revoke_many"`, 1),
		"a short list":               strings.Replace(reset, tag, tag[1:], 1),
		"nothing":                    "", "no object": `"wafer audit"`, "half a line": good[:len(good)/2], "two lines": good + good,
		"a wrong type":       strings.Replace(good, `"changed":true`, `"changed":"yes"`, 1),
		"a short tag":        strings.Replace(good, tag+`"}`, tag[1:]+`"}`, 1),
		"capitals":           strings.Replace(good, tag+`"}`, strings.ToUpper(tag)+`"}`, 1),
		"no target":          strings.Replace(good, `"target"`, `"aim"`, 1),
		"no chain":           strings.Replace(good, `"chain"`, `"train"`, 1),
		"another position":   strings.Replace(good, `-7"`, `-07"`, 1),
		"a negative number":  strings.Replace(good, `-7"`, `--7"`, 1),
		"since of no time":   strings.Replace(good, `"since":"2`, `"since":"x`, 1),
		"a line without end": `{"msg":"wafer audit","reason":"` + strings.Repeat("x", audit.MaxLine) + `"}`,
	} {
		if r, err := audit.Parse([]byte(bad)); err == nil || err == audit.ErrOther {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	for _, other := range []string{`{}`, `{"msg":"started"}`, `{"msg":7,"action":"revoke"}`} {
		if _, err := audit.Parse([]byte(other)); err != audit.ErrOther {
			t.Errorf("%s: %v", other, err)
		}
	}
}

// A line that Parse accepts is read the same after it was written again.
func FuzzParse(f *testing.F) {
	for _, r := range examples {
		f.Add(line(r))
	}
	f.Add([]byte(`{"time":"2026-01-01T00:00:00Z","msg":"wafer audit","action":"x","reason":"\ud800\u0000"}`))
	f.Add([]byte(`{"msg":"wafer audit","msg":"other"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := audit.Parse(b)
		if err != nil {
			return
		}
		again, err := audit.Parse(line(r))
		if err != nil {
			t.Fatalf("%q is written as %q: %v", b, line(r), err)
		}
		third, err := audit.Parse(line(again))
		again.Time, third.Time = time.Time{}, time.Time{}
		if err != nil || !cmp.Equal(again, third) {
			t.Errorf("%q: %+v, then %+v, %v", b, again, third, err)
		}
	})
}

// What With keeps fits in a line, whatever it is given.
func TestWithCleans(t *testing.T) {
	b, ok := audit.From(audit.With(t.Context(), audit.By{Actor: "a\nb\x1b[31m", Reason: strings.Repeat("é", 200), Claimed: "x\xff"}))
	if !ok || b.Actor != "ab[31m" || b.Reason != strings.Repeat("é", 100) || b.Claimed != "x" || b.Via != audit.ViaApplication {
		t.Errorf("%+v", b)
	}
	if _, ok := audit.From(t.Context()); ok {
		t.Error("a context without By says who acts")
	}
}

// docs/audit.md has every member.
func TestThePageNamesEveryMember(t *testing.T) {
	page, err := os.ReadFile("../docs/audit.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, inside []string
	for _, r := range examples {
		b := line(r)
		for _, m := range regexp.MustCompile(`"([a-z_]+)":`).FindAllSubmatch(b, -1) {
			want = append(want, string(m[1]))
		}
	}
	for _, of := range []reflect.Type{reflect.TypeFor[audit.Target](), reflect.TypeFor[audit.Change](), reflect.TypeFor[audit.Call]()} {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			inside = append(inside, name)
		}
	}
	_, table, _ := strings.Cut(string(page), "| member |")
	for _, name := range append(want, inside...) {
		if !strings.Contains(table, "`"+name+"`") {
			t.Errorf("docs/audit.md does not name %s", name)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(table, -1) {
		for name := range strings.SplitSeq(m[1], ", ") {
			if !slices.Contains(want, strings.Trim(name, "`")) {
				t.Errorf("docs/audit.md names %s, which no record has", name)
			}
		}
	}
}
