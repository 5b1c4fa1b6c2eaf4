package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

// Conditions of the page of the demo.
const (
	signedIn  = `!document.querySelector("#session").hidden`
	signedOut = `!document.querySelector("#login").hidden && document.documentElement.dataset.wafer === "none"`
)

// refused is what the page asks for now and then, also at the moment when its session ends.
const refused = "/api/devices"

// A tab that writes all the time does not bring back the session that another tab ends.
func TestLogoutWhileAnotherTabWrites(t *testing.T) {
	t.Parallel()
	d, p := browsertest.StartDemo(t, nil), browsertest.NewProfile(t, refused, "/note")
	one, two := p.Tab(d.URL), p.Tab(d.URL)
	d.Login(one, "ada")
	two.Await("signed in, too", signedIn)
	two.Evaluate(`window.answers = []; window.stop = false;
		for (let writer = 0; writer < 4; writer++) (async () => {
			for (let n = 0; !stop; n++) {
				const body = new URLSearchParams({ text: "note " + writer + " " + n });
				const response = await fetch("/note", { method: "POST", headers: { Accept: "application/json" }, body });
				answers.push({ status: response.status, at: Date.now() });
			}
		})(); 0`)
	two.Await("it writes", `answers.filter(a => a.status === 200).length >= 20`)
	one.Evaluate(`fetch("/logout", { method: "POST" }).then(() => { window.out = Date.now(); })`)
	out := browsertest.Value[int64](one, "out")
	two.Await("all writers are refused", `answers.length > 20 && answers.slice(-20).every(a => a.status === 401)`)
	two.Evaluate("stop = true")
	last := browsertest.Value[int64](two, `Math.max(...answers.filter(a => a.status === 200).map(a => a.at))`)
	t.Logf("the last note was saved %d ms after the logout", last-out)

	for _, b := range []*browsertest.Tab{one, two} {
		b.Run(chromedp.Reload())
		b.Await("signed out", signedOut)
		// The cookie of a note that was saved first may arrive last. It holds the session that was ended.
		if me := browsertest.Value[string](b, `fetch("/api/me").then(r => r.json()).then(me => me.error)`); me != "not_logged_in" && me != "revoked_session" {
			t.Errorf("the session is %q", me)
		}
	}
}

// A stream of another tab ends when its user logs out.
func TestAStreamEndsAtLogout(t *testing.T) {
	t.Parallel()
	d, p := browsertest.StartDemo(t, nil), browsertest.NewProfile(t, refused)
	one, two := p.Tab(d.URL), p.Tab(d.URL)
	d.Login(one, "ada")
	two.Await("signed in, too", signedIn)
	two.Evaluate(readStream("/tab/events"))
	two.Await("the stream is open", "streamed > 0")
	two.Evaluate(`fetch("/note", { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams({ text: "milk" }) })`)
	if browsertest.Value[bool](two, "streamEnded !== null") {
		t.Error("a write ends the stream")
	}
	one.Click(`[data-end="/logout"]`)
	two.Await("the stream ends", "streamEnded !== null")
	two.Await("the page is hidden", browsertest.IsLocked)
	one.Await("signed out", signedOut)
}

// An application's own stream ends at logout as well.
func TestAnApplicationsStreamEndsAtLogout(t *testing.T) {
	t.Parallel()
	s, p := newSite(t, httpmw.Config{}), browsertest.NewProfile(t)
	one := s.login(p, s.https(home, "/"), "ada")
	two := p.Tab(s.https(home, "/"))
	two.Evaluate(readStream("/ticks"))
	two.Await("the stream is open", "streamed > 1")
	one.Evaluate(`fetch("/logout", { method: "POST" }).then(() => { window.out = Date.now(); })`)
	two.Await("the stream ends", "streamEnded !== null")
	t.Logf("the stream ended %d ms after the answer to the logout", browsertest.Value[int64](two, "streamEnded")-browsertest.Value[int64](one, "out"))
}

// readStream is a script that counts what comes and notes when the stream has ended.
func readStream(path string) string {
	return `window.streamed = 0; window.streamEnded = null; fetch("` + path + `").then(async response => {
		const reader = response.body.getReader();
		while (!(await reader.read()).done) streamed++;
		streamEnded = Date.now();
	}); 0`
}

// While the store is away the page works, and what it missed is done when the store is back.
func TestStoreAwayUnderTheDemo(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	d := browsertest.StartDemo(t, []string{"--redis", "redis://" + redis.Addr})
	p := browsertest.NewProfile(t, refused, "status of 503")
	b, other := p.Tab(d.URL), browsertest.NewProfile(t, refused).Tab(d.URL)
	d.Login(b, "ada")
	d.Login(other, "bob")
	redis.Kill()
	b.Await("the page says so", `document.querySelector("#store").textContent !== "running"`)
	b.Fill("#text", "written without a store")
	b.Click("#note button")
	b.Await("saved all the same", `/Replica \d saved the note/.test(document.querySelector("#log").textContent)`)
	b.Click(`[data-end="/logout"]`)
	b.Await("what a logout means now", `document.querySelector("#log").textContent.includes("but the store does not answer")`)
	b.Await("signed out here", signedOut)
	other.Await("others stay", signedIn)
	redis.Restart()
	b.Await("the page says so", `document.querySelector("#store").textContent === "running"`)
	d.Login(b, "ada")
	other.Await("others stay", signedIn)
}

// Somebody without a mouse signs in, writes a note and signs out.
func TestTheDemoByKeyboard(t *testing.T) {
	t.Parallel()
	d, p := browsertest.StartDemo(t, nil), browsertest.NewProfile(t, refused)
	b := p.Tab(d.URL)
	b.Await("the login form", signedOut)
	b.TabTo("#user")
	b.Press("ada" + kb.Enter)
	b.Await("signed in", signedIn)
	b.TabTo("#text")
	b.Press("two candles" + kb.Enter)
	b.Await("saved", `/Replica \d saved the note/.test(document.querySelector("#log").textContent)`)
	b.TabTo(`[data-end="/logout"]`)
	b.Press(" ")
	b.Await("signed out", signedOut)
}

// axe-core finds nothing serious on the page.
func TestTheDemoIsAccessible(t *testing.T) {
	t.Parallel()
	d, p := browsertest.StartDemo(t, nil), browsertest.NewProfile(t, refused)
	b, tab := p.Tab(d.URL), p.Tab(d.URL)
	b.Await("the login form", signedOut)
	b.Accessible("signed out")
	b.Screen("demo-signed-out")
	d.Login(b, "ada")
	b.Await("a square", `document.querySelector(".strip i") !== null`)
	b.Accessible("signed in")
	b.Screen("demo-signed-in")
	tab.Await("signed in, too", signedIn)
	b.Click(`[data-end="/logout"]`)
	tab.Await("ended", browsertest.IsLocked)
	tab.Accessible("ended")
}
