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
)

// login logs somebody in by the form of the page.
func (b *tab) login(user string) {
	b.t.Helper()
	b.run(chromedp.SetValue(chromedp.CSS("input[name=user]"), user), chromedp.Click(chromedp.CSS("#login")))
	b.await("the page of "+user, fmt.Sprintf(`document.readyState === "complete" && document.querySelector("#who").textContent === "Hello %s"`, user))
}

// One tab holds the stream of all tabs of a browser, and another one takes over when it is closed.
func TestTabs(t *testing.T) {
	t.Parallel()
	a := newApp(t, httpmw.Config{})
	browser := chromium(t)
	p := newProfile(t, browser, "")
	first := p.tab(a.url)
	first.login("ada")
	a.awaitStreams(t, 1)
	second, third := p.tab(a.url), p.tab(a.url)
	stranger := newProfile(t, browser, "").tab(a.url)
	stranger.login("bob")
	a.awaitStreams(t, 2)

	// The session continues under a new id, so the stream of the old one ends, and the pages stay.
	second.evaluate("window.before = true") // of the page that the click leaves
	second.click("#others")
	second.await("the page after it", isOpen+" && !window.before")
	a.awaitStreams(t, 2)
	first.await("another tab", isOpen)

	// Signed out in one tab: the others hide what they show. Somebody else cannot see it, its owner can.
	second.click("#logout")
	first.await("signed out in another tab", isLocked)
	first.screen("ended")
	third.await("signed out in another tab", isLocked)
	a.awaitStreams(t, 1)
	second.await("the page without a login", `document.querySelector("#who").textContent === "Hello "`)
	second.login("bob")
	a.awaitStreams(t, 2)
	first.await("somebody else's session", isLocked)
	second.login("ada")
	first.await("its owner's next session", isOpen)
	third.await("its owner's next session", isOpen)
	stranger.await("the other user", isOpen)

	// A login is required: the page says so, and goes on after it.
	if _, err := a.lists[0].RequireLogin(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*tab{first, third} {
		b.await("login required", isLocked+` && document.querySelector(".wafer-tab p").textContent === "Log in again to go on."`)
	}
	first.screen("locked")
	second.click(".wafer-tab a")
	second.await("the login form", `location.search === "?login" && document.readyState === "complete"`)
	second.login("ada")
	first.await("its owner is back", isOpen)

	a.awaitStreams(t, 2)
	first.close()
	a.awaitStreams(t, 2)
	if _, err := a.lists[1].Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	second.await("revoked", isLocked)
	third.await("revoked", isLocked)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	const idle = 20 * time.Second // so the warning comes 10 s before the end
	a := newApp(t, httpmw.Config{Idle: idle})
	p := newProfile(t, chromium(t), "")
	first := p.tab(a.url)
	first.login("ada")
	second := p.tab(a.url)
	first.await("about to expire", isWarning)
	second.await("about to expire", isWarning)
	first.screen("warning")
	first.await("the focus", `document.activeElement === document.querySelector("dialog button")`)
	extended := time.Now()
	first.run(chromedp.KeyEvent("\r"))
	first.await("extended", isOpen)
	second.await("extended in another tab", isOpen)

	second.await("expired", isLocked)
	first.await("expired", isLocked)
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
	p := newProfile(t, chromium(t), "")
	b := p.tab(a.url)
	b.login("ada")
	a.awaitStreams(t, 1)
	b.evaluate(`document.addEventListener("wafer:ended", () => { window.wasEnded = true; }); 0`)
	gone := slices.IndexFunc(a.sessions, func(m *httpmw.Manager[struct{}]) bool { return m.Stats().Streams > 0 })
	a.leaving.Store(int64(gone))
	a.lists[gone].Replica().EndStreams()
	for a.sessions[gone].Stats().Streams > 0 {
		time.Sleep(time.Millisecond)
	}
	a.awaitStreams(t, 1) // of the other one
	b.await("the page goes on", isOpen+` && !window.wasEnded`)
	if _, err := a.lists[1-gone].Revoke(t.Context(), revocation.Everyone(), revocation.Options{}); err != nil {
		t.Fatal(err)
	}
	b.await("revoked", isLocked)
}

// Without JavaScript the application works as it did.
func TestWithoutJavaScript(t *testing.T) {
	t.Parallel()
	a := newApp(t, httpmw.Config{})
	p := newProfile(t, chromium(t), "")
	b := p.tab("")
	b.run(func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return v, err
	}, chromedp.Navigate(a.url), chromedp.SendKeys(chromedp.CSS("input[name=user]"), "ada\r"))
	who := ""
	for deadline := time.Now().Add(patience); who != "Hello ada" && time.Now().Before(deadline); {
		who, _ = chromedp.Run(b.ctx, chromedp.TextContent(chromedp.CSS("#who")))
	}
	if who != "Hello ada" {
		t.Errorf("the page says %q", who)
	}
}

// A page that the browser kept shows nothing until the server has confirmed its session.
func TestBackForwardCache(t *testing.T) {
	t.Parallel()
	a := newApp(t, httpmw.Config{})
	p := newProfile(t, chromium(t), "")
	first := p.tab(a.url)
	first.login("ada")
	second := p.tab(a.url)
	a.awaitStreams(t, 1)
	first.evaluate(`addEventListener("pageshow", e => { window.kept = e.persisted; window.hid = getComputedStyle(document.body).display === "none"; }); 0`)
	first.run(chromedp.Navigate(a.url + "/elsewhere"))
	second.click("#logout")
	second.await("signed out", `document.querySelector("#who").textContent === "Hello "`)
	first.evaluate(`history.back()`)
	first.await("restored", isLocked)
	first.await("kept by the browser", "window.kept === true")
	first.await("hidden at first", "window.hid === true")
}
