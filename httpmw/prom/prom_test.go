package prom_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/httpmw/backchannel"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/oauth"
	"github.com/wafer-sessions/wafer/httpmw/prom"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/internal/metrics"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func Example() {
	ring := keys.Generate(0)
	list, err := revocation.Open(context.Background(), revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		panic(err)
	}
	defer list.Close()
	sessions, err := httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{App: "shop"})
	if err != nil {
		panic(err)
	}

	metrics, err := prom.New(prom.Parts{
		Apps: map[string]prom.Manager{"shop": sessions},
		List: list,
		Keys: keys.Static(ring),
	})
	if err != nil {
		panic(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)
	mux := http.NewServeMux() // on a listener of its own
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "wafer_ring_keys") {
			fmt.Print(line)
		}
	}
	// Output:
	// wafer_ring_keys{state="expired"} 0
	// wafer_ring_keys{state="opening"} 0
	// wafer_ring_keys{state="pending"} 0
	// wafer_ring_keys{state="revoked"} 0
	// wafer_ring_keys{state="sealing"} 1
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// scrape returns Wafer's series by name and labels, without the buckets of histograms and without
// the one of the process.
func scrape(t *testing.T, p prom.Parts) map[string]string {
	t.Helper()
	series := map[string]string{}
	for line := range strings.Lines(exposition(t, p)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && name != "#" && !strings.Contains(name, "_bucket{") && !strings.HasPrefix(name, "wafer_build_info{") {
			series[name] = value
		}
	}
	return series
}

// exposition returns what Prometheus reads.
func exposition(t *testing.T, p prom.Parts) string {
	t.Helper()
	c, err := prom.New(p)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", resp.StatusCode, body, err)
	}
	return string(body)
}

// fake returns a different number for each counter, so that swapped ones show.
type fake struct{}

func (fake) Stats() httpmw.Stats {
	s := httpmw.Stats{
		Anonymous: 101, Accepted: 102, Written: 103, Renewed: 104, Shared: 105, Unsealed: 106, Withheld: 107, Expired: 108, Lookups: 109, Retagged: 110, Reloaded: 130, ReloadsFailed: 131, Unsealable: 111, Early: 112,
		Spared: 113, Spent: 114, Streams: 128, StreamsRefused: 129,
		Refused: map[string]uint64{}, Seals: map[string]uint64{"k1": 115, "k2": 116},
		Logins: 117, Logouts: map[string]uint64{"logout": 118}, LogoutsFailed: 119,
		Ended: map[string]revocation.Histogram{"login": {Count: 120, Sum: 121}},
		Sizes: map[string]revocation.Histogram{"seen": {Count: 122, Sum: 123}},
		Open:  revocation.Histogram{Count: 124, Sum: 125}, Commit: revocation.Histogram{Count: 126, Sum: 127},
	}
	for i, r := range reasons {
		s.Refused[r] = uint64(i + 1)
	}
	return s
}

var reasons = []string{
	"expired_idle", "expired_absolute", "revoked_session", "revoked_subject", "revoked_group",
	"revoked_key", "revoked_everyone", "list_lost", "unknown_key", "tampered",
	"malformed", "too_long", "wrong_audience", "out_of_bounds", "ambiguous", "incomplete",
	"undecided", "data", "reauthenticate", "reload", "methods", "login_too_old",
}

func TestMetricsOfAnApplication(t *testing.T) {
	want := map[string]string{
		`wafer_requests_anonymous_total{app="shop"}`:                      "101",
		`wafer_sessions_accepted_total{app="shop"}`:                       "102",
		`wafer_cookies_sent_total{app="shop",kind="session"}`:             "103",
		`wafer_cookies_sent_total{app="shop",kind="seen"}`:                "104",
		`wafer_renewals_shared_total{app="shop"}`:                         "105",
		`wafer_renewals_unsealed_total{app="shop"}`:                       "106",
		`wafer_cookies_withheld_total{app="shop"}`:                        "107",
		`wafer_cookies_sent_total{app="shop",kind="expired"}`:             "108",
		`wafer_key_lookups_total{app="shop"}`:                             "109",
		`wafer_tab_streams{app="shop"}`:                                   "128",
		`wafer_tab_streams_refused_total{app="shop"}`:                     "129",
		`wafer_seals_refused_total{app="shop",reason="revoked_key"}`:      "111",
		`wafer_seals_refused_total{app="shop",reason="renewals_stopped"}`: "113",
		`wafer_seals_refused_total{app="shop",reason="spent"}`:            "114",
		`wafer_key_seals_total{app="shop",kid="k1"}`:                      "115",
		`wafer_key_seals_total{app="shop",kid="k2"}`:                      "116",
		`wafer_logins_total{app="shop"}`:                                  "117",
		`wafer_logouts_total{app="shop",kind="logout"}`:                   "118",
		`wafer_logouts_failed_total{app="shop"}`:                          "119",
		`wafer_session_duration_seconds_count{app="shop",reason="login"}`: "120",
		`wafer_session_duration_seconds_sum{app="shop",reason="login"}`:   "121",
		`wafer_token_size_bytes_count{app="shop",kind="seen"}`:            "122",
		`wafer_token_size_bytes_sum{app="shop",kind="seen"}`:              "123",
		`wafer_open_seconds_count{app="shop"}`:                            "124",
		`wafer_open_seconds_sum{app="shop"}`:                              "125",
		`wafer_commit_seconds_count{app="shop"}`:                          "126",
		`wafer_commit_seconds_sum{app="shop"}`:                            "127",
		`wafer_seals_early_total{app="shop"}`:                             "112",
		`wafer_reloads_total{app="shop",result="loaded"}`:                 "130",
		`wafer_reloads_total{app="shop",result="failed"}`:                 "131",
		`wafer_subject_tags_corrected_total{app="shop"}`:                  "110",
	}
	for i, r := range reasons {
		want[fmt.Sprintf(`wafer_sessions_refused_total{app="shop",reason="%s"}`, r)] = fmt.Sprint(i + 1)
	}
	if diff := cmp.Diff(want, scrape(t, prom.Parts{Apps: map[string]prom.Manager{"shop": fake{}}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for f, v := range reflect.ValueOf(fake{}.Stats()).Fields() {
		if v.IsZero() {
			t.Errorf("Stats.%s is not in this test", f.Name)
		}
	}
}

// A real manager has a series for every reason from the start, and counts what happens.
func TestRealRefusals(t *testing.T) {
	ring := keys.Generate(0)
	store := revlogtest.NewFaulty(revlog.NewMemory())
	list, err := revocation.Open(t.Context(), store, ring, revocation.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	source, kid := keys.Static(ring), ring.Keys()[0].ID()
	newManager := func(app string) *httpmw.Manager[struct{}] {
		m, err := httpmw.New[struct{}](source, list, httpmw.Config{App: app, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m, other := newManager("shop"), newManager("desk")
	parts := prom.Parts{Apps: map[string]prom.Manager{"shop": m, "desk": other}, List: list, Keys: source}
	before := scrape(t, parts)
	for _, r := range reasons {
		if v := before[fmt.Sprintf(`wafer_sessions_refused_total{app="shop",reason="%s"}`, r)]; v != "0" {
			t.Errorf("%s begins with %q", r, v)
		}
	}

	token := func(subject string) string {
		s, err := m.Issue(t.Context(), httpmw.Identity{Subject: subject}, struct{}{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	check := func(m *httpmw.Manager[struct{}], token string, want error) {
		t.Helper()
		if _, err := m.Check(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	ada := token("ada")
	check(m, ada, nil)
	check(m, ada[:len(ada)-1]+flip(ada[len(ada)-1]), httpmw.ErrTampered)
	check(m, "x", httpmw.ErrMalformed)
	check(other, ada, httpmw.ErrWrongAudience)
	if _, err := list.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	check(m, ada, httpmw.ErrRevokedSubject)

	after := scrape(t, parts)
	for series, want := range map[string]string{
		`wafer_sessions_accepted_total{app="shop"}`:                                 "1",
		`wafer_sessions_refused_total{app="shop",reason="tampered"}`:                "1",
		`wafer_sessions_refused_total{app="shop",reason="malformed"}`:               "1",
		`wafer_sessions_refused_total{app="desk",reason="wrong_audience"}`:          "1",
		`wafer_sessions_refused_total{app="shop",reason="wrong_audience"}`:          "0",
		`wafer_sessions_refused_total{app="shop",reason="revoked_subject"}`:         "1",
		`wafer_list_refusals_total{reason="revoked_subject"}`:                       "1",
		`wafer_list_refusals_total{reason="revoked_group"}`:                         "0",
		`wafer_list_state{state="synced"}`:                                          "1",
		`wafer_list_state{state="cut_off"}`:                                         "0",
		`wafer_list_ready`:                                                          "1",
		`wafer_list_reads_total{result="failed"}`:                                   "0",
		`wafer_list_anomalies_total{kind="forged"}`:                                 "0",
		`wafer_list_confirms_total{result="failed"}`:                                "0",
		`wafer_list_acknowledged_total`:                                             "1",
		`wafer_list_writes_total{result="ok"}`:                                      "1",
		`wafer_list_writes_total{result="failed"}`:                                  "0",
		`wafer_list_terms_total`:                                                    "0",
		`wafer_list_outbox_full_total`:                                              "0",
		`wafer_list_denied_total`:                                                   "0",
		`wafer_ring_keys{state="sealing"}`:                                          "1",
		`wafer_ring_sealing_until_seconds`:                                          "0",
		`wafer_key_seals_total{app="shop",kid="` + kid + `"}`:                       "1",
		`wafer_key_seals_total{app="desk",kid="` + kid + `"}`:                       "0",
		`wafer_list_decisions_total{outcome="accept",path="memory"}`:                "2", // at Issue and Check
		`wafer_list_decisions_total{outcome="refuse",path="memory"}`:                "1",
		`wafer_list_decisions_total{outcome="accept",path="store"}`:                 "0",
		`wafer_logins_total{app="shop"}`:                                            "1",
		`wafer_open_seconds_count{app="shop"}`:                                      "1", // the first
		`wafer_decide_seconds_count`:                                                "2", // the first of each outcome
		`wafer_token_size_bytes_count{app="shop",kind="bearer"}`:                    "1",
		`wafer_session_duration_seconds_count{app="shop",reason="revoked_subject"}`: "1",
		`wafer_session_duration_seconds_count{app="shop",reason="logout"}`:          "0",
		`wafer_key_budget_left_ratio{kid="` + kid + `"}`:                            fmt.Sprint(1 - 1.0/(1<<32)),
	} {
		if got := after[series]; got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
	if after["wafer_ring_sealing_since_seconds"] == "0" {
		t.Error("no key seals")
	}

	store.Fail()
	if _, err := list.Revoke(t.Context(), revocation.Subject("bob"), revocation.Options{}); !errors.Is(err, revocation.ErrUnavailable) {
		t.Fatal(err)
	}
	if got := scrape(t, parts)[`wafer_list_writes_total{result="failed"}`]; got != "1" {
		t.Errorf("%q writes failed", got)
	}
	if got := scrape(t, parts)["wafer_list_outbox"]; got == "0" || got == "" {
		t.Errorf("the outbox holds %q", got)
	}
}

// Every counter in the Stats is exported.
func TestEveryCounterIsExported(t *testing.T) {
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), keys.Generate(0), revocation.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	series := scrape(t, prom.Parts{List: list})
	shown := map[string]string{
		"State": `list_state{state="synced"}`, "Age": "list_age_seconds", "Window": "list_window_seconds", "Position": "", // for people
		"Entries": "list_entries", "Bytes": "list_filter_bytes", "Outbox": "list_outbox", "Full": "list_outbox_full_total",
		"LogEntries": "list_log_entries", "StoreUsed": "", "StoreLimit": "", // not of every store: see TestStoreUsage
		"Decide": "decide_seconds_count", "Confirm": "confirm_seconds_count", "Hits": `list_filter_hits_total{result="false"}`,
		"Denied": "list_denied_total", "Enforced": "enforce_seconds_count",
		"Acknowledged": "list_acknowledged_total", "Terms": "list_terms_total", "Pauses": "list_pauses_total",
		"Decisions": `list_decisions_total{outcome="accept",path="frozen"}`, "Refusals": `list_refusals_total{reason="revoked_session"}`,
		"Confirms": `list_confirms_total{result="store"}`, "Reads": `list_reads_total{result="ok"}`, "Writes": `list_writes_total{result="ok"}`,
		"Anomalies": `list_anomalies_total{kind="lost"}`, "SignedIn": "signed_in_sessions",
	}
	for f := range reflect.TypeFor[revocation.Stats]().Fields() {
		name, known := shown[f.Name]
		if _, there := series["wafer_"+name]; !known || name != "" && !there {
			t.Errorf("Stats.%s is not exported", f.Name)
		}
	}
}

// flip returns another character that is valid at the end of a tag: one with the same leftover
// bits.
func flip(c byte) string {
	if c == 'A' {
		return "Q"
	}
	return "A"
}

type fakeMover struct{}

func (fakeMover) Stats() adopt.Stats {
	return adopt.Stats{Moved: 201, Refused: 202, Undecided: 203, Invalid: 204, Declined: 205, Ended: 206}
}

func TestMetricsOfAMove(t *testing.T) {
	want := map[string]string{
		`wafer_moves_total{from="gorilla",result="moved"}`:     "201",
		`wafer_moves_total{from="gorilla",result="refused"}`:   "202",
		`wafer_moves_total{from="gorilla",result="undecided"}`: "203",
		`wafer_moves_total{from="gorilla",result="invalid"}`:   "204",
		`wafer_moves_total{from="gorilla",result="declined"}`:  "205",
		`wafer_moves_total{from="gorilla",result="ended"}`:     "206",
	}
	if diff := cmp.Diff(want, scrape(t, prom.Parts{Movers: map[string]prom.Mover{"gorilla": fakeMover{}}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDisabledList(t *testing.T) {
	got := scrape(t, prom.Parts{List: revocation.Disabled(keys.Generate(0))})
	if got[`wafer_list_state{state="disabled"}`] != "1" {
		t.Errorf("%v", got)
	}
}

func TestKeysWithoutOneThatSeals(t *testing.T) {
	ring := keys.Generate(0)
	if got := scrape(t, prom.Parts{Keys: keys.Static(ring)}); len(got) != 8 || got["wafer_ring_sealing_since_seconds"] == "0" {
		t.Errorf("%v", got)
	}
}

func TestNothingToCollect(t *testing.T) {
	for name, p := range map[string]prom.Parts{
		"nothing":           {},
		"app without name":  {Apps: map[string]prom.Manager{"": fake{}}},
		"no mover":          {Movers: map[string]prom.Mover{"gorilla": nil}},
		"app without stats": {Apps: map[string]prom.Manager{"shop": nil}},
	} {
		if _, err := prom.New(p); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

type fakeDevices struct{}

func (fakeDevices) Stats() devices.Stats {
	return devices.Stats{Written: 401, Failed: 402, Dropped: 403, Evicted: 404, SignedOut: 405, Refused: 406}
}

func TestMetricsOfDevices(t *testing.T) {
	want := map[string]string{
		`wafer_devices_written_total{app="shop"}`:             "401",
		`wafer_devices_failed_total{app="shop"}`:              "402",
		`wafer_devices_dropped_total{app="shop"}`:             "403",
		`wafer_devices_ended_total{app="shop",by="limit"}`:    "404",
		`wafer_devices_ended_total{app="shop",by="sign_out"}`: "405",
		`wafer_devices_logins_refused_total{app="shop"}`:      "406",
	}
	if diff := cmp.Diff(want, scrape(t, prom.Parts{Devices: map[string]prom.Devices{"shop": fakeDevices{}}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for f, v := range reflect.ValueOf(fakeDevices{}.Stats()).Fields() {
		if v.IsZero() {
			t.Errorf("Stats.%s is not in this test", f.Name)
		}
	}
	var _ prom.Devices = (*devices.Registry)(nil)
}

type receiver struct{}

func (receiver) Counts() (requests, fetches map[string]uint64) {
	return map[string]uint64{"ended": 301, "issuer": 302}, map[string]uint64{"failed": 303}
}

func TestMetricsOfAReceiver(t *testing.T) {
	want := map[string]string{
		`wafer_backchannel_requests_total{provider="idp",result="ended"}`:     "301",
		`wafer_backchannel_requests_total{provider="idp",result="issuer"}`:    "302",
		`wafer_backchannel_key_fetches_total{provider="idp",result="failed"}`: "303",
		`wafer_backchannel_key_fetches_total{provider="idp",result="ok"}`:     "0",
	}
	if diff := cmp.Diff(want, scrape(t, prom.Parts{Receivers: map[string]prom.Receiver{"idp": receiver{}}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var _ prom.Receiver = (*backchannel.Receiver)(nil)
}

// The endpoints count every result of both from the first scrape, and nothing that a caller chooses.
func TestMetricsOfEndpoints(t *testing.T) {
	e := newEndpoints(t)
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("token=x"))
	r.SetBasicAuth("mallory", "guessed")
	e.Introspect(httptest.NewRecorder(), r)
	want := map[string]string{}
	for endpoint, results := range map[string][]string{
		"introspect": {"active", "inactive", "invalid_client", "invalid_request", "temporarily_unavailable"},
		"revoke":     {"ended", "ignored", "invalid_client", "invalid_request", "temporarily_unavailable", "unsupported_token_type"},
	} {
		for _, result := range results {
			want[fmt.Sprintf("wafer_oauth_requests_total{app=%q,endpoint=%q,result=%q}", "shop", endpoint, result)] = "0"
		}
	}
	want[`wafer_oauth_requests_total{app="shop",endpoint="introspect",result="invalid_client"}`] = "1"
	if diff := cmp.Diff(want, scrape(t, prom.Parts{Endpoints: map[string]prom.Endpoints{"shop": e}})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func newEndpoints(t *testing.T) *oauth.Endpoints {
	t.Helper()
	ring := keys.Generate(0)
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	m, err := httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{App: "shop", Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	e, err := oauth.New(m, oauth.Config{Clients: map[string]string{"gateway": rand.Text()}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// measured is a store that says how much room it takes.
type measured struct{ revlog.Store }

func (measured) Usage(context.Context) (revlog.Usage, error) {
	return revlog.Usage{Bytes: 1000, Limit: 4000}, nil
}

func TestStoreUsage(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		list, err := revocation.Open(t.Context(), measured{revlog.NewMemory()}, keys.Generate(0), revocation.Config{Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		defer list.Close()
		if _, err := list.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // a read
		if s := list.Stats(); s.StoreUsed != 1000 || s.StoreLimit != 4000 || s.LogEntries != 1 {
			t.Errorf("%d of %d used, %d entries in the log", s.StoreUsed, s.StoreLimit, s.LogEntries)
		}
	})
}

func TestBuildInfo(t *testing.T) {
	for line := range strings.Lines(exposition(t, prom.Parts{Keys: keys.Static(keys.Generate(0))})) {
		if strings.HasPrefix(line, `wafer_build_info{`) {
			if !strings.Contains(line, `goversion="go1.`) || !strings.Contains(line, `version="`) || !strings.HasSuffix(line, " 1\n") {
				t.Error(line)
			}
			return
		}
	}
	t.Error("there is no wafer_build_info")
}

// The page names every value of a label that does not come from the application or from the ring.
func TestPageNamesEveryLabelValue(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), keys.Generate(0), revocation.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	ring := keys.Static(keys.Generate(0))
	m, err := httpmw.New[struct{}](ring, revocation.Disabled(ring.Ring()), httpmw.Config{App: "shop", Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	free := []string{"app", "from", "provider", "kid", "version", "goversion", "fips", "le"}
	n := 0
	for _, label := range regexp.MustCompile(`([a-z]+)="([^"]*)"`).FindAllStringSubmatch(exposition(t, prom.Parts{
		Apps: map[string]prom.Manager{"shop": m}, Movers: map[string]prom.Mover{"gorilla": fakeMover{}},
		Receivers: map[string]prom.Receiver{"idp": receiver{}}, Endpoints: map[string]prom.Endpoints{"shop": newEndpoints(t)}, List: list, Keys: ring,
	}), -1) {
		if slices.Contains(free, label[1]) {
			continue
		}
		n++
		if !strings.Contains(string(page), "`"+label[2]+"`") {
			t.Errorf("the page does not name %s", label[0])
		}
	}
	if n < 100 {
		t.Errorf("only %d labels found", n)
	}
}

// A reader of docs/metrics.md finds every metric there, with its labels, and no other.
func TestPageListsTheMetrics(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(wafer_[a-z_]+)` \\|([^|]*)\\| [^|]{20,}").FindAllStringSubmatch(string(page), -1) {
		shown[row[1]] = strings.NewReplacer("`", "", " ", "").Replace(row[2])
	}
	declared := map[string]string{}
	for _, m := range metrics.All() {
		declared[m.Prometheus()] = strings.Join(m.Labels, ",")
	}
	if diff := cmp.Diff(declared, shown); diff != "" {
		t.Errorf("(-code +page):\n%s", diff)
	}
}
