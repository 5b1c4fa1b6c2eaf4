package httpmw_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A tabbed is an application whose open pages follow their session.
type tabbed struct{ sessions *httpmw.Manager[cart] }

func newTabbed(ring keys.Source, list *revocation.List) (*tabbed, error) {
	sessions, err := httpmw.New[cart](ring, list, httpmw.Config{
		Idle:          30 * time.Minute,
		Warn:          3 * time.Minute,
		ClearSiteData: []string{"cache", "storage"},
	})
	return &tabbed{sessions}, err
}

func (a *tabbed) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/tab/", a.sessions.Tab())
	mux.HandleFunc("GET /news", a.news)
	mux.Handle("GET /account", a.sessions.Require(http.HandlerFunc(a.account)))
	return http.NewCrossOriginProtection().Handler(a.sessions.Handler(mux))
}

func (a *tabbed) account(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, `<!doctype html><script src="/tab/tab.js" data-login="/login" data-required defer></script>`)
}

// news is what the page asks for every minute, whether its user is there or not.
func (a *tabbed) news(w http.ResponseWriter, r *http.Request) {
	s := a.sessions.From(r.Context())
	s.DoNotRenew()
	if s.LoggedIn() {
		fmt.Fprintln(w, "none for", s.Subject())
	}
}

// Open pages warn before their session ends and hide when it has ended.
func ExampleManager_Tab() {
	ring := keys.Generate(0)
	list, err := revocation.Open(context.Background(), revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer list.Close()
	app, err := newTabbed(keys.Static(ring), list)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	app.routes().ServeHTTP(w, httptest.NewRequest("GET", "/tab/state", nil))
	fmt.Print(w.Body)
	// Output: {"left":0,"warn":0,"extend":false,"reason":"signed_out"}
}
