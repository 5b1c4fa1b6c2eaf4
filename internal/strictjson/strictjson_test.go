package strictjson

import (
	"encoding/json"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		doc string
		ok  bool
	}{
		{`{}`, true},
		{` {"a": [1, {"b": "c"}], "d": null} `, true},
		{`"text"`, true},
		{`[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]`, true},
		{``, false},
		{`{"a":1}{`, false},
		{`{"a":1,"a":1}`, false},
		{`{"a":1,"\u0061":1}`, false},
		{`[{"b":{"a":1,"a":2}}]`, false},
		{`{"a":1,}`, false},
		{`[1 2]`, false},
		{`"\ud800"`, false},
		{"\"\xff\"", false},
		{`01`, false},
		{`[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]`, false},
	} {
		if _, err := Parse([]byte(tt.doc)); (err == nil) != tt.ok {
			t.Errorf("Parse(%q) = %v", tt.doc, err)
		}
	}
}

func TestValue(t *testing.T) {
	const doc = `{"text":"\u0041da","number": 7 ,"list":["a", "b"],"null":null,"big":9007199254740992}`
	v, err := Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	m, err := v.Members()
	if err != nil || len(m) != 5 {
		t.Fatalf("Members = %v, %v", m, err)
	}
	if s, err := m["text"].Text(); err != nil || s != "Ada" {
		t.Errorf("Text = %q, %v", s, err)
	}
	if n, err := m["number"].Integer(1, 7); err != nil || n != 7 {
		t.Errorf("Integer = %d, %v", n, err)
	}
	list, err := m["list"].Elements()
	if err != nil || len(list) != 2 || string(list[1]) != `"b"` {
		t.Errorf("Elements = %s, %v", list, err)
	}
	if string(v) != doc {
		t.Errorf("the document was changed to %s", v)
	}
	for name, wrong := range map[string]func() error{
		"null is not a string":      func() error { _, err := m["null"].Text(); return err },
		"nothing is not a string":   func() error { _, err := m["other"].Text(); return err },
		"a number out of range":     func() error { _, err := m["number"].Integer(1, 6); return err },
		"a number past 2^53":        func() error { _, err := m["big"].Integer(1, 1<<62); return err },
		"a string is not a number":  func() error { _, err := m["text"].Integer(0, 9); return err },
		"an object is not an array": func() error { _, err := v.Elements(); return err },
		"an array is not an object": func() error { _, err := m["list"].Members(); return err },
	} {
		if wrong() == nil {
			t.Error(name)
		}
	}
}

// Everything that Parse accepts, encoding/json accepts too, with the same members.
func FuzzParse(f *testing.F) {
	for _, doc := range []string{`{}`, `{"a":1,"a":2}`, `{"a":{"b":["\u00e4",-1.5e3]}}`, `[1,2`, `"\ud834\udd1e"`, " null\n"} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		v, err := Parse(doc)
		if err != nil {
			return
		}
		if !json.Valid(doc) {
			t.Fatalf("%q is not JSON", doc)
		}
		members, err := v.Members()
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(doc, &want); err != nil || len(want) != len(members) {
			t.Fatalf("%q has %d members, %v; here %d", doc, len(want), err, len(members))
		}
		for name, raw := range want {
			if string(raw) != string(members[name]) {
				t.Errorf("%q: %q is %q, here %q", doc, name, raw, members[name])
			}
		}
	})
}
