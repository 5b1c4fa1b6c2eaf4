package wafertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"github.com/wafer-sessions/wafer/httpmw"
)

// FailOnLostChanges fails the test at its end if a handler changed a value that it got from
// Session.Value and did not Set it. Such a change is lost, because Value returns a copy. Call
// FailOnLostChanges before the first request. Servers must be closed before the test's cleanup, as
// with defer.
//
// It sees changes to memory that a copy shares with the original: behind pointers, in maps, in
// elements of slices. If T is a pointer, that is everything. It does not see changes to fields of a
// T that is a struct, nor elements appended to a slice. It also reports a handler that changes its
// copy on purpose, to show it differently; such a handler must clone the value first. Changes
// within Update are not checked, since Update sets them.
func (k *Kit[T]) FailOnLostChanges() {
	k.tb.Helper()
	if !shares(reflect.TypeFor[T](), map[reflect.Type]bool{}) {
		k.tb.Fatalf("wafertest: FailOnLostChanges cannot see changes to %v, because copies of it share no memory; use a pointer to it as the data", reflect.TypeFor[T]())
	}
	k.lost.mu.Lock()
	first := !k.lost.on
	k.lost.on = true
	k.lost.mu.Unlock()
	if first {
		k.tb.Cleanup(func() {
			k.tb.Helper()
			for _, change := range k.lost.lostChanges() {
				k.tb.Error(change)
			}
		})
	}
}

// shares reports whether a copy of a value of type t shares memory that can be changed.
func shares(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	case reflect.Array:
		return shares(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if shares(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}

// recorder is a Codec that remembers which values it returned and which were set.
type recorder struct {
	inner httpmw.Codec // nil: encoding/json, as in httpmw

	mu     sync.Mutex // owns the fields below
	on     bool
	handed []handed
	set    map[string]bool // encodings
}

// handed is one value that Session.Value returned a copy of.
type handed struct {
	value any    // a pointer to it
	was   []byte // as encoded when it was handed out
	where string // the caller of Value
}

func (r *recorder) Marshal(v any) ([]byte, error) {
	b, err := r.marshal(v)
	if err == nil {
		r.mu.Lock()
		if r.on {
			if r.set == nil {
				r.set = map[string]bool{}
			}
			r.set[string(b)] = true
		}
		r.mu.Unlock()
	}
	return b, err
}

func (r *recorder) Unmarshal(data []byte, v any) error {
	if err := r.unmarshal(data, v); err != nil {
		return err
	}
	r.mu.Lock()
	on := r.on
	r.mu.Unlock()
	if !on {
		return nil
	}
	where, updating := caller()
	if updating {
		return nil
	}
	was, err := r.encode(v)
	if err != nil {
		return nil // a value that cannot be encoded can be neither compared nor set
	}
	r.mu.Lock()
	r.handed = append(r.handed, handed{v, was, where})
	r.mu.Unlock()
	return nil
}

// lostChanges compares the values as they were returned with what they are now.
func (r *recorder) lostChanges() (lost []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.handed {
		is, err := r.encode(h.value)
		if err != nil || bytes.Equal(is, h.was) || r.set[string(is)] {
			continue
		}
		if again, err := r.encode(h.value); err != nil || !bytes.Equal(is, again) {
			continue // this codec does not encode a value the same way twice
		}
		lost = append(lost, fmt.Sprintf("wafertest: the value from Session.Value at %s was changed but not Set: it was %s and is %s", h.where, h.was, is))
	}
	return lost
}

// encode encodes the value that v points to, as Set would.
func (r *recorder) encode(v any) ([]byte, error) {
	return r.marshal(reflect.ValueOf(v).Elem().Interface())
}

func (r *recorder) marshal(v any) ([]byte, error) {
	if r.inner != nil {
		return r.inner.Marshal(v)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (r *recorder) unmarshal(data []byte, v any) error {
	if r.inner != nil {
		return r.inner.Unmarshal(data, v)
	}
	return json.Unmarshal(data, v)
}

// caller returns the line that called the session, and whether it called Update.
func caller() (where string, updating bool) {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)]) // above Unmarshal
	for {
		f, more := frames.Next()
		method, ours := strings.CutPrefix(f.Function, "github.com/wafer-sessions/wafer/httpmw.(*Session[")
		if !ours {
			return fmt.Sprintf("%s:%d", f.File, f.Line), updating
		}
		if strings.HasSuffix(method, ".Update") {
			updating = true
		}
		if !more {
			return "an unknown place", updating
		}
	}
}
