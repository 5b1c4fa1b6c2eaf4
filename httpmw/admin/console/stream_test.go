package console_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

func TestEvents(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRevoke)
	s := start(t, 2, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.signedIn(secret)
	s.browser().get("../login?user=ada")
	s.browser().get("../login?user=bob")
	stream := b.listen("events")
	hello := stream.until("hello").data
	id, _ := hello["replica"].(string)
	if hello["name"] != "ops" || hello["within"] != 2.0 || hello["grace"] != 1800.0 || hello["max_idle"] != 7200.0 || hello["read_only"] != false || id == "" {
		t.Errorf("hello: %v", hello)
	}
	until, err := time.Parse(time.RFC3339, hello["session_until"].(string))
	if left := time.Until(until); err != nil || left < 7*time.Hour || left > 8*time.Hour {
		t.Errorf("session_until: %v", hello["session_until"])
	}
	for range 2 {
		now := stream.until("now").data
		status, _ := now["status"].(map[string]any)
		sessions, _ := now["sessions"].(map[string]any)
		replicas, _ := now["replicas"].([]any)
		if status["state"] != "synced" || sessions["logins"] != 1.0 || len(replicas) != 2 || now["enforced"] == nil {
			t.Errorf("now: %v", now)
		}
	}
}

// A stream of events does not keep its session alive, and neither does what the page asks for by itself.
func TestAnOpenPageDoesNotRenew(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRevoke)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.signedIn(secret)
	if got := b.get("tab/state"); got.status != http.StatusOK || got.json(t)["left"].(float64) > 15*60 {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := b.do(http.MethodPost, "tab/state", "", ""); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.text)
	}
}

// A stream ends within the promise when its session does, and says why.
func TestAStreamEndsWithItsSession(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRevoke)
	s := start(t, 3, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.signedIn(secret)
	var streams []*listener
	for range s.replicas { // one of each
		streams = append(streams, b.listen("events"))
	}
	for _, l := range streams {
		l.until("now")
	}
	if got := b.do(http.MethodPost, "sign-out", form, ""); got.status != http.StatusSeeOther {
		t.Fatalf("%d %s", got.status, got.text)
	}
	for i, l := range streams {
		if e := l.until("ended"); e.data["reason"] != "revoked" {
			t.Errorf("stream %d ends with %v", i, e.data)
		}
		if e, more := l.next(); more {
			t.Errorf("stream %d goes on: %v", i, e)
		}
	}
	if got := b.get("events"); got.status != http.StatusUnauthorized {
		t.Errorf("afterwards: %d", got.status)
	}
}

// Streams end when the process shuts down, and say nothing, so that the browser comes back.
func TestStreamsEndAtShutdown(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRevoke)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	b := s.signedIn(secret)
	byToken := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }
	streams := []*listener{b.listen("events"), s.browser().listen("events", byToken)}
	for _, l := range streams {
		l.until("now")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := httpmw.Shutdown(ctx, s.replicas[0].list, 0, s.server.Config); err != nil {
		t.Error(err)
	}
	for i, l := range streams {
		for {
			e, more := l.next()
			if !more {
				break
			}
			if e.name == "ended" {
				t.Errorf("stream %d: %v", i, e)
			}
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRead)
	other, others := token(t, "other", admin.RoleRead)
	s := start(t, 1, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops, other}}})
	b := s.signedIn(secret)
	var open []*listener
	for range 8 {
		l := b.listen("events")
		l.until("hello")
		open = append(open, l)
	}
	for _, path := range []string{"events", "fleet?as_of=x"} {
		if got := b.get(path); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("the ninth stream, %s: %d", path, got.status)
		}
	}
	s.signedIn(others).listen("events").until("hello")
	open[0].cancel()
	await(t, "room for another stream", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		resp := b.send(ctx, http.MethodGet, "events", "", "")
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// The replicas turn from "not yet" to "refuses" one by one.
func TestFleet(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRevoke)
	s := start(t, 3, console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}})
	slow := s.replicas[2]
	hang := make(chan struct{})
	slow.store.Hook(func(h *revlogtest.Hooks) {
		store := h.Store
		h.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
			select {
			case <-hang:
				return store.Read(ctx, c)
			case <-ctx.Done():
				return revlog.Page{}, ctx.Err()
			}
		}
	})
	s.only.Store(1)
	b := s.signedIn(secret)
	receipt := b.post("revocations", `{"scope":"subject","id":"ada"}`).json(t)
	stream := b.listen("fleet?as_of=" + receipt["as_of"].(string))
	refuses := map[string]bool{}
	for refusing := 0; refusing < 2; {
		e := stream.until("replica")
		id := e.data["id"].(string)
		if e.data["refuses"] == true && !refuses[id] {
			refusing++
		}
		refuses[id] = e.data["refuses"].(bool)
		if e.data["host"] == "" || e.data["after_ms"].(float64) < 0 {
			t.Errorf("%v", e.data)
		}
	}
	late := slow.list.Replica().ID()
	if refuses[late] {
		t.Error("a replica that reads nothing refuses")
	}
	close(hang)
	for !refuses[late] {
		e := stream.until("replica")
		refuses[e.data["id"].(string)] = e.data["refuses"].(bool)
	}
	if done := stream.until("done").data; done["complete"] != true || done["refusing"] != 3.0 || len(done["behind"].([]any)) != 0 || done["took_ms"].(float64) <= 0 {
		t.Errorf("done: %v", done)
	}
	if _, more := stream.next(); more {
		t.Error("the stream goes on")
	}
	for _, asOf := range []string{"", "?as_of=", "?as_of=nonsense", "?as_of=" + strings.Repeat("A", 2000)} {
		l := b.listen("fleet" + asOf)
		if done := l.until("done").data; done["complete"] != false || done["refusing"] != 0.0 {
			t.Errorf("%s: %v", asOf, done)
		}
	}
}

// A fleet that never confirms does not hold a stream for longer than its session.
func TestTheFleetIsNotFollowedAfterSignOut(t *testing.T) {
	ops, secret := token(t, "ops", admin.RoleRevoke)
	s := newSite(t)
	c := console.Config{Admin: admin.Config{Tokens: []admin.Token{ops}}}
	s.add(c, revocation.Config{})
	s.add(c, revocation.Config{}).store.Hook(func(h *revlogtest.Hooks) {
		h.Read = func(context.Context, revlog.Cursor) (revlog.Page, error) { return revlog.Page{}, revlogtest.ErrFault }
	})
	s.only.Store(1)
	b := s.signedIn(secret)
	receipt := b.post("revocations", `{"scope":"subject","id":"ada"}`).json(t)
	stream := b.listen("fleet?as_of=" + receipt["as_of"].(string))
	stream.until("replica")
	b.do(http.MethodPost, "sign-out", form, "")
	if done := stream.until("done").data; done["complete"] != false || len(done["behind"].([]any)) != 1 {
		t.Errorf("done: %v", done)
	}
	if e := stream.until("ended"); e.data["reason"] != "revoked" {
		t.Errorf("%v", e)
	}
}
