package wafertest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/wafertest"
)

// handle runs one handler with a session of ada with data, and returns the test's failures.
func handle[T any](t *testing.T, c httpmw.Config, data T, do func(s *httpmw.Session[T])) []string {
	t.Helper()
	return watch(t, func(tb testing.TB) {
		kit := wafertest.New[T](tb, c)
		kit.FailOnLostChanges()
		kit.FailOnLostChanges() // calling it twice does no harm
		r := httptest.NewRequestWithContext(tb.Context(), "GET", "/", nil)
		kit.SignInRequest(r, ada, data)
		kit.Manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			do(kit.Manager.From(r.Context()))
		})).ServeHTTP(httptest.NewRecorder(), r)
	})
}

func TestLostChanges(t *testing.T) {
	rows := []struct {
		name string
		do   func(s *httpmw.Session[basket])
		lost bool
	}{
		{"only read", func(s *httpmw.Session[basket]) { _ = s.Value().Items["bread"] }, false},
		{"changed and forgotten", func(s *httpmw.Session[basket]) { s.Value().Items["milk"] = 1 }, true},
		{"changed and set", func(s *httpmw.Session[basket]) {
			v := s.Value()
			v.Items["milk"] = 1
			_ = s.Set(v)
		}, false},
		{"changed after it was set", func(s *httpmw.Session[basket]) {
			v := s.Value()
			v.Items["milk"] = 1
			_ = s.Set(v)
			v.Items["milk"] = 2
		}, true},
		{"another value was set", func(s *httpmw.Session[basket]) {
			s.Value().Items["milk"] = 1
			_ = s.Set(basket{Items: map[string]int{"eggs": 6}})
		}, true},
		{"element of a slice", func(s *httpmw.Session[basket]) { s.Value().Notes[0] = "changed" }, true},
		{"changed and changed back", func(s *httpmw.Session[basket]) {
			v := s.Value()
			v.Items["milk"] = 1
			delete(v.Items, "milk")
		}, false},
		{"by Update", func(s *httpmw.Session[basket]) {
			_ = s.Update(func(b *basket) error { b.Items["milk"] = 1; return nil })
		}, false},
		{"by an Update that gave up", func(s *httpmw.Session[basket]) {
			_ = s.Update(func(b *basket) error { b.Items["milk"] = 1; return errors.New("sold out") })
		}, false},
		{"read within Update", func(s *httpmw.Session[basket]) {
			_ = s.Update(func(b *basket) error { b.Page++; s.Value().Items["milk"] = 1; return nil })
		}, true},
		// These are the changes it cannot see, as documented.
		{"field of a copy", func(s *httpmw.Session[basket]) {
			v := s.Value()
			v.Page++
		}, false},
		{"appended", func(s *httpmw.Session[basket]) {
			v := s.Value()
			v.Notes = append(v.Notes, "more")
		}, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := handle(t, httpmw.Config{}, basket{Items: map[string]int{"bread": 1}, Notes: []string{"n"}}, row.do)
			if (len(got) > 0) != row.lost {
				t.Errorf("it failed with %q, want a lost change: %v", got, row.lost)
			}
			for _, failure := range got {
				if !strings.Contains(failure, "lost_test.go:") || !strings.Contains(failure, `"bread":1`) {
					t.Errorf("%q names neither the line nor the value", failure)
				}
			}
		})
	}
}

// If the data is a pointer, it sees every change.
func TestLostChangesOfAPointer(t *testing.T) {
	got := handle(t, httpmw.Config{}, &basket{}, func(s *httpmw.Session[*basket]) { s.Value().Page++ })
	if len(got) != 1 {
		t.Errorf("it failed with %q, want one lost change", got)
	}
}

type shoutingCodec struct{ n *int }

func (c shoutingCodec) Marshal(v any) ([]byte, error) {
	*c.n++
	return json.Marshal(map[string]any{"n": *c.n, "v": v}) // never encodes the same way twice
}

func (c shoutingCodec) Unmarshal(b []byte, v any) error {
	return json.Unmarshal(b, &struct{ V any }{v})
}

func TestLostChangesWithACodecOfOnesOwn(t *testing.T) {
	got := handle(t, httpmw.Config{Codec: shoutingCodec{new(int)}}, &basket{}, func(s *httpmw.Session[*basket]) { s.Value().Page++ })
	if d := cmp.Diff([]string(nil), got); d != "" {
		t.Errorf("nothing can be compared: %s", d)
	}
}

func TestNothingIsCheckedUnlessAsked(t *testing.T) {
	got := watch(t, func(tb testing.TB) {
		kit := wafertest.New[basket](tb, httpmw.Config{})
		r := httptest.NewRequestWithContext(tb.Context(), "GET", "/", nil)
		kit.SignInRequest(r, ada, basket{Items: map[string]int{}})
		kit.Manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			kit.Manager.From(r.Context()).Value().Items["milk"] = 1
		})).ServeHTTP(httptest.NewRecorder(), r)
	})
	if len(got) > 0 {
		t.Errorf("it failed with %q", got)
	}
}
