package admin_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/revocation"
)

// A kubelet has no token, and asks by the address of the pod.
func asKubelet(r *http.Request) {
	r.Header.Del("Authorization")
	r.Host = "10.1.2.3:9090"
}

func (f *fixture) probe(path string) answer {
	f.t.Helper()
	return f.request(http.MethodGet, path, "", asKubelet)
}

func TestHealthNeedsNoToken(t *testing.T) {
	f := start(t)
	for path, want := range map[string]string{"/livez": "live", "/readyz": "ready"} {
		got := f.probe(path)
		got.want(t, http.StatusOK, "")
		if len(got.body) != 1 || got.body["status"] != want {
			t.Errorf("%s tells everybody %v, want only the word %s", path, got.body, want)
		}
		if got := f.request(http.MethodHead, path, "", asKubelet); got.status != http.StatusOK {
			t.Errorf("HEAD %s: %d", path, got.status)
		}
		refused := f.request(http.MethodPost, path, "", asKubelet)
		refused.want(t, http.StatusMethodNotAllowed, "method")
		if !slices.Equal(refused.header["Allow"], []string{"GET, HEAD"}) {
			t.Errorf("Allow: %q", refused.header["Allow"])
		}
	}
	if f.log.String() != "" {
		t.Errorf("the probes have records: %s", f.log)
	}
	for _, path := range []string{"/livez/", "/readyz/keys", "//livez", "/LIVEZ"} {
		if got := f.probe(path); got.status == http.StatusOK {
			t.Errorf("%s: %d", path, got.status)
		}
	}
}

// Every replica loses a store at the same moment. They stay in service, because without any of them
// there is no site.
func TestAnOutageOfTheStoreLeavesEveryReplicaReady(t *testing.T) {
	f := start(t)
	f.store.Fail()
	await(t, "the list is out of touch", func() bool { return f.list.Stats().State != "synced" })
	f.probe("/readyz").want(t, http.StatusOK, "")
	f.probe("/livez").want(t, http.StatusOK, "")
}

// A replica that has never seen the list refuses every session. Sent requests, it would answer 503.
func TestAReplicaIsNotReadyBeforeItHasReadTheList(t *testing.T) {
	f := start(t)
	f.store.Fail()
	var err error
	f.list, err = revocation.Open(t.Context(), f.store, f.keys.Ring(), revocation.Config{StartWithoutStore: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.list.Close() })
	f.serve(f.keys)
	got := f.probe("/readyz")
	got.want(t, http.StatusServiceUnavailable, "not_ready")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.probe("/livez").want(t, http.StatusOK, "")
	f.store.Recover()
	await(t, "the list is ready", f.list.Ready)
	f.probe("/readyz").want(t, http.StatusOK, "")
}

// A replica that goes out of service says so before it refuses anything, so that nobody is sent here.
func TestAReplicaThatShutsDownIsNotReady(t *testing.T) {
	for name, leave := range map[string]func(*fixture){
		"announced": func(f *fixture) { f.list.Replica().Announce() },
		"closed":    func(f *fixture) { f.list.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			leave(f)
			f.probe("/readyz").want(t, http.StatusServiceUnavailable, "closed")
			f.probe("/livez").want(t, http.StatusOK, "")
		})
	}
}

// The document says of the probes, and of nothing else, that they need no token.
func TestTheDocumentSaysWhatNeedsNoToken(t *testing.T) {
	got := start(t).request(http.MethodGet, "/openapi.json", "")
	var open []string
	paths, _ := got.body["paths"].(map[string]any)
	for path, methods := range paths {
		for method, operation := range methods.(map[string]any) {
			if security, ok := dig(operation, "security").([]any); ok && len(security) == 0 {
				open = append(open, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(open)
	if want := admin.Probes(); !slices.Equal(open, want) {
		t.Errorf("without a token: %q, want %q", open, want)
	}
}

// await waits until ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}
