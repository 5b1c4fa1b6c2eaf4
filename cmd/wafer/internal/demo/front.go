package demo

import (
	"embed"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
)

//go:embed page
var page embed.FS

// front is the port in front of all replicas. Like a load balancer it knows nothing of sessions.
type front struct {
	replicas []*replica
	last     atomic.Int64 // replica that answered last, from 0; -1: none yet
	stage    *stage
	state    *state
	mux      *http.ServeMux
}

func newFront(replicas []*replica, s *state, metrics http.Handler, url string) *front {
	f := &front{replicas: replicas, state: s, stage: newStage(url), mux: http.NewServeMux()}
	f.last.Store(-1)
	f.mux.HandleFunc("/", f.spread)
	f.mux.HandleFunc("GET /{$}", file("index.html", "text/html; charset=utf-8"))
	f.mux.HandleFunc("GET /app.js", file("app.js", "text/javascript; charset=utf-8"))
	f.mux.HandleFunc("GET /style.css", file("style.css", "text/css; charset=utf-8"))
	f.mux.HandleFunc("GET /wafer.svg", file("wafer.svg", "image/svg+xml"))
	f.mux.Handle("GET /metrics", metrics)
	f.mux.HandleFunc("GET /api/replicas", f.listReplicas)
	f.mux.Handle("POST /stage/store", forms(http.HandlerFunc(f.stopStore)))
	f.mux.Handle("POST /stage/rotate", forms(http.HandlerFunc(f.rotate)))
	f.mux.Handle("/stage/", forms(f.stage))
	return f
}

// forms refuses requests from pages of other sites, and large bodies.
func forms(h http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(h, maxForm))
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.mux.ServeHTTP(w, r) }

// spread hands a request to any replica but the one that had the last request.
func (f *front) spread(w http.ResponseWriter, r *http.Request) {
	n := int64(len(f.replicas))
	next := rand.Int64N(n)
	if last := f.last.Load(); n > 1 && next == last {
		next = (next + 1 + rand.Int64N(n-1)) % n
	}
	f.last.Store(next)
	f.replicas[next].handler.ServeHTTP(w, r)
}

// listReplicas answers what each replica has done so far, for the page to show. It has nothing to do
// with a session.
func (f *front) listReplicas(w http.ResponseWriter, r *http.Request) {
	type numbers struct {
		Replica  int    `json:"replica"`
		Accepted uint64 `json:"accepted"`
		Refused  uint64 `json:"refused"`
		Asked    uint64 `json:"asked"` // decisions for which the store was asked
		Entries  int64  `json:"entries"`
		Position string `json:"position"`
		State    string `json:"state"`
	}
	list := make([]numbers, 0, len(f.replicas))
	for _, replica := range f.replicas {
		sessions, revocations := replica.sessions.Stats(), replica.list.Stats()
		n := numbers{
			Replica: replica.number, Accepted: sessions.Accepted, Asked: revocations.Confirms["store"],
			Entries: revocations.Entries, Position: revocations.Position, State: revocations.State,
		}
		for _, count := range sessions.Refused {
			n.Refused += count
		}
		list = append(list, n)
	}
	size := 0
	for _, c := range ours(r) {
		size += len(c.Name) + len("=") + len(c.Value)
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"replicas": list, "within": f.replicas[0].list.Replica().Within().Seconds(), "cookie_bytes": size,
		"stopped": f.state.store.stopped.Load(), "kid": f.sealing(),
	})
}

// policy lets the page load only what is served here.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func file(name, contentType string) http.HandlerFunc {
	body, err := page.ReadFile("page/" + name)
	if err != nil { // the file is not embedded: a mistake in this program
		panic(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		_, _ = w.Write(body)
	}
}
