package tab

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

// login logs somebody in by the form of the page.
func login(b *browsertest.Tab, user string) {
	b.Run(chromedp.SetValue(chromedp.CSS("input[name=user]"), user), chromedp.Click(chromedp.CSS("#login")))
	b.Await("the page of "+user, fmt.Sprintf(`document.readyState === "complete" && document.querySelector("#who").textContent === "Hello %s"`, user))
}

// One tab holds the stream of all tabs of a browser, and another one takes over when it is closed.
func TestTabs(t *testing.T) {
	t.Parallel()
	a := newApp(t, httpmw.Config{})
	p := browsertest.NewProfile(t)
	first := p.Tab(a.url)
	login(first, "ada")
	a.awaitStreams(t, 1)
	second, third := p.Tab(a.url), p.Tab(a.url)
	stranger := browsertest.NewProfile(t).Tab(a.url)
	login(stranger, "bob")
	a.awaitStreams(t, 2)

	// The session continues under a new id, so the stream of the old one ends, and the pages stay.
	second.Evaluate("window.before = true") // of the page that the click leaves
	second.Click("#others")
	second.Await("the page after it", browsertest.IsOpen+" && !window.before")
	a.awaitStreams(t, 2)
	first.Await("another tab", browsertest.IsOpen)

	// Signed out in one tab: the others hide what they show. Somebody else cannot see it, its owner can.
	second.Click("#logout")
	first.Await("signed out in another tab", browsertest.IsLocked)
	first.Screen("ended")
	third.Await("signed out in another tab", browsertest.IsLocked)
	a.awaitStreams(t, 1)
	second.Await("the page without a login", `document.querySelector("#who").textContent === "Hello "`)
	login(second, "bob")
	a.awaitStreams(t, 2)
	first.Await("somebody else's session", browsertest.IsLocked)
	login(second, "ada")
	first.Await("its owner's next session", browsertest.IsOpen)
	third.Await("its owner's next session", browsertest.IsOpen)
	stranger.Await("the other user", browsertest.IsOpen)

	// A login is required: the page says so, and goes on after it.
	if _, err := a.lists[0].RequireLogin(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*browsertest.Tab{first, third} {
		b.Await("login required", browsertest.IsLocked+` && document.querySelector(".wafer-tab p").textContent === "Log in again to go on."`)
	}
	first.Screen("locked")
	second.Click(".wafer-tab a")
	second.Await("the login form", `location.search === "?login" && document.readyState === "complete"`)
	login(second, "ada")
	first.Await("its owner is back", browsertest.IsOpen)

	a.awaitStreams(t, 2)
	first.Close()
	a.awaitStreams(t, 2)
	if _, err := a.lists[1].Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	second.Await("revoked", browsertest.IsLocked)
	third.Await("revoked", browsertest.IsLocked)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	const idle = 20 * time.Second // so the warning comes 10 s before the end
	a := newApp(t, httpmw.Config{Idle: idle})
	p := browsertest.NewProfile(t)
	first := p.Tab(a.url)
	login(first, "ada")
	second := p.Tab(a.url)
	first.Await("about to expire", browsertest.IsWarning)
	second.Await("about to expire", browsertest.IsWarning)
	first.Screen("warning")
	first.Await("the focus", `document.activeElement === document.querySelector("dialog button")`)
	extended := time.Now()
	first.Run(chromedp.KeyEvent("\r"))
	first.Await("extended", browsertest.IsOpen)
	second.Await("extended in another tab", browsertest.IsOpen)

	second.Await("expired", browsertest.IsLocked)
	first.Await("expired", browsertest.IsLocked)
	if took := time.Since(extended); took < idle-time.Second {
		t.Errorf("expired %v after it was extended", took)
	}
	if n := a.renewed.Load(); n > 0 {
		t.Errorf("asking renewed the session %d times", n)
	}
}

// When a replica goes out of service, pages stay as they are and connect to another one.
func TestRestart(t *testing.T) {
	t.Parallel()
	a := newApp(t, httpmw.Config{})
	p := browsertest.NewProfile(t)
	b := p.Tab(a.url)
	login(b, "ada")
	a.awaitStreams(t, 1)
	b.Evaluate(`document.addEventListener("wafer:ended", () => { window.wasEnded = true; }); 0`)
	gone := slices.IndexFunc(a.sessions, func(m *httpmw.Manager[struct{}]) bool { return m.Stats().Streams > 0 })
	a.leaving.Store(int64(gone))
	a.lists[gone].Replica().EndStreams()
	for a.sessions[gone].Stats().Streams > 0 {
		time.Sleep(time.Millisecond)
	}
	a.awaitStreams(t, 1) // of the other one
	b.Await("the page goes on", browsertest.IsOpen+` && !window.wasEnded`)
	if _, err := a.lists[1-gone].Revoke(t.Context(), revocation.Everyone(), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	b.Await("revoked", browsertest.IsLocked)
}

// Without JavaScript the application works as it did.
func TestWithoutJavaScript(t *testing.T) {
	t.Parallel()
	a := newApp(t, httpmw.Config{})
	p := browsertest.NewProfile(t)
	b := p.Tab("")
	b.Run(func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return v, err
	}, chromedp.Navigate(a.url), chromedp.SendKeys(chromedp.CSS("input[name=user]"), "ada\r"))
	who := ""
	for deadline := time.Now().Add(browsertest.Patience); who != "Hello ada" && time.Now().Before(deadline); {
		who, _ = chromedp.Run(b.Ctx, chromedp.TextContent(chromedp.CSS("#who")))
	}
	if who != "Hello ada" {
		t.Errorf("the page says %q", who)
	}
}

// A page that the browser kept shows nothing until the server has confirmed its session.
func TestBackForwardCache(t *testing.T) {
	t.Parallel()
	a := newApp(t, httpmw.Config{})
	p := browsertest.NewProfile(t)
	first := p.Tab(a.url)
	login(first, "ada")
	second := p.Tab(a.url)
	a.awaitStreams(t, 1)
	first.Evaluate(`addEventListener("pageshow", e => { window.kept = e.persisted; window.hid = getComputedStyle(document.body).display === "none"; }); 0`)
	first.Run(chromedp.Navigate(a.url + "/elsewhere"))
	second.Click("#logout")
	second.Await("signed out", `document.querySelector("#who").textContent === "Hello "`)
	first.Evaluate(`history.back()`)
	first.Await("restored", browsertest.IsLocked)
	first.Await("kept by the browser", "window.kept === true")
	first.Await("hidden at first", "window.hid === true")
}
