package wafertest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/wafertest"
	"github.com/wafer-sessions/wafer/revocation"
)

// counter is the data of the application's sessions. The data is a pointer, so FailOnLostChanges
// sees every change.
type counter struct{ Visits int }

// newApp is the application. It gets its Manager from its caller.
func newApp(sessions *httpmw.Manager[*counter]) http.Handler {
	return sessions.Handler(sessions.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := sessions.From(r.Context())
		if err := s.Update(func(c **counter) error { (*c).Visits++; return nil }); err != nil {
			http.Error(w, "it does not fit", http.StatusInsufficientStorage)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s, visit %d", s.Subject(), s.Value().Visits)
	})))
}

// testVisits is a test of that application. Call yours TestVisits.
func testVisits(t *testing.T) {
	kit := wafertest.New[*counter](t, httpmw.Config{})
	kit.FailOnLostChanges()
	server := httptest.NewTLSServer(newApp(kit.Manager))
	defer server.Close()

	client := server.Client()
	sid := kit.SignIn(client, server.URL, httpmw.Identity{Subject: "ada"}, &counter{Visits: 41})
	if got := ask(t, client, "GET", server.URL); got != "ada, visit 42" {
		t.Errorf("signed in: %s", got)
	}
	kit.Silent()
	if got := ask(t, client, "GET", server.URL); got != "503" {
		t.Errorf("the list cannot say: %s", got)
	}
	kit.Recover()
	kit.Revoke(revocation.Session(sid))
	if got := ask(t, client, "GET", server.URL); got != "401" {
		t.Errorf("revoked: %s", got)
	}
}

func Example() {
	// go test finds a test by its name.
	tests := []testing.InternalTest{{Name: "TestVisits", F: testVisits}}
	fmt.Println(tests[0].Name)
	// Output: TestVisits
}
