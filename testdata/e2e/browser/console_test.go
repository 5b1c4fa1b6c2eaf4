package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

// An operator has the console of a demo in a tab.
type operator struct{ *browsertest.Tab }

// Conditions of the console.
const (
	isLive     = `document.querySelector("#live-text")?.textContent === "live"`
	isAsking   = `document.querySelector("#confirm").open`
	isSignIn   = `document.readyState === "complete" && document.querySelector("#token") !== null`
	isAway     = `document.body.classList.contains("away")`
	isWell     = `document.querySelector("#situation").classList.contains("good")`
	isEnforced = `document.querySelector("#receipts li .verdict.good") !== null`
)

// ownEnd is what the page may be told for a moment while an operator ends their own session, before the next one is there.
const ownEnd = "status of 401"

// sections of the console, as the address names them.
var sections = []string{"revoke", "lookup", "replicas", "keys", "charts", "trail"}

// openConsole signs an operator in.
func openConsole(d *browsertest.Demo, p *browsertest.Profile) operator {
	c := operator{p.Tab(d.URL + "admin/")}
	c.Await("the form to sign in", isSignIn)
	c.Fill("#token", d.Token)
	c.Click("form button")
	c.Await("the console is live", isLive)
	return c
}

// section shows a section.
func (c operator) section(name string) {
	c.Click(fmt.Sprintf(`#sections a[href="#%s"]`, name))
	c.Await("section "+name, fmt.Sprintf(`!document.getElementById(%q).hidden`, name))
}

// ask fills in the form that revokes, up to the question whether that is meant.
func (c operator) ask(scope, id string) {
	c.section("revoke")
	c.Click(fmt.Sprintf(`label:has(> input[name="scope"][value="%s"])`, scope))
	if id != "" {
		c.Fill("#revoke-id", id)
	}
	c.Click("#revoke-button")
	c.Await("the question", isAsking)
}

// revoke revokes, and waits until every replica enforces it.
func (c operator) revoke(scope, id string) {
	c.ask(scope, id)
	if scope == "everyone" {
		c.Fill("#confirm-word", "everyone")
	}
	c.Click("#confirm-do")
	c.awaitEnforced()
}

func (c operator) awaitEnforced() {
	c.Await("every replica enforces it", "!"+isAsking+" && "+isEnforced+` && document.querySelectorAll("#receipts > li:first-child .pill.turn.good").length === 3`)
}

// confirmed carries out what the console asks about.
func (c operator) confirmed(word string) {
	c.Await("the question", isAsking)
	if word != "" {
		c.Fill("#confirm-word", word)
	}
	c.Click("#confirm-do")
	c.Await("it is done", "!"+isAsking)
}

// An operator revokes one of a user's two sessions, then the user, then everyone. The pages of those hide, and nobody else's.
func TestRevokedInTheConsole(t *testing.T) {
	t.Parallel()
	d := browsertest.StartDemo(t, nil)
	laptop, phone := browsertest.NewProfile(t, refused).Tab(d.URL), browsertest.NewProfile(t, refused).Tab(d.URL)
	other, c := browsertest.NewProfile(t, refused).Tab(d.URL), openConsole(d, browsertest.NewProfile(t, ownEnd))
	for user, b := range map[*browsertest.Tab]string{laptop: "ada", phone: "ada", other: "bob"} {
		d.Login(user, b)
		user.Evaluate(`document.addEventListener("wafer:ended", () => { window.hiddenAt = Date.now(); }, { once: true }); 0`)
	}
	step := func(scope, id string, hidden *browsertest.Tab, open ...*browsertest.Tab) {
		c.revoke(scope, id)
		told := browsertest.Value[int64](c.Tab, "Date.now()")
		hidden.Await("revoked", browsertest.IsLocked)
		for _, b := range open {
			b.Await("still signed in", browsertest.IsOpen+" && "+signedIn)
		}
		t.Logf("%s: the page was hidden %d ms after the console had shown that every replica enforces it", scope, browsertest.Value[int64](hidden, "hiddenAt")-told)
	}
	step("session", browsertest.Value[string](laptop, `document.querySelector("#sid").textContent`), laptop, phone, other)
	step("subject", "ada", phone, other)
	step("everyone", "", other)
	c.Await("the operator goes on", isLive)
	if n := browsertest.Value[int](c.Tab, `document.querySelectorAll("#receipts > li").length`); n != 3 {
		t.Errorf("%d receipts", n)
	}
	c.Screen("console-receipts")
}

// A new key signs nobody out. To revoke one ends what it sealed, and the operator goes on.
func TestRotateAndRevokeAKeyInTheConsole(t *testing.T) {
	t.Parallel()
	d := browsertest.StartDemo(t, nil)
	before, after := browsertest.NewProfile(t, refused).Tab(d.URL), browsertest.NewProfile(t, refused).Tab(d.URL)
	c := openConsole(d, browsertest.NewProfile(t, ownEnd))
	d.Login(before, "ada")
	c.section("keys")
	const sealing = `[...document.querySelectorAll("#keys-body tr")].find(r => r.querySelector(".pill")?.textContent === "seals")?.querySelector("code").textContent ?? ""`
	c.Await("the ring", `(`+sealing+`) !== ""`)
	old := browsertest.Value[string](c.Tab, sealing)
	c.Click("#rotate-button")
	c.Await("the question", isAsking)
	c.Click(`label:has(> input[name="after"][value="0"])`)
	c.confirmed("")
	c.Await("all have the new key", `document.querySelector("#loading-say").textContent.includes("loaded by all 3 replicas")`)
	c.Await("it seals", fmt.Sprintf(`![%q, ""].includes(%s)`, old, sealing))
	next := browsertest.Value[string](c.Tab, sealing)
	before.Await("still signed in", browsertest.IsOpen+" && "+signedIn)
	c.Screen("console-keys")

	d.Login(after, "bob")
	c.revokeKey(old, "no")
	before.Await("revoked with its key", browsertest.IsLocked)
	after.Await("sealed by the other key", browsertest.IsOpen+" && "+signedIn)
	c.revokeKey(next, "yes")
	after.Await("revoked with everyone", browsertest.IsLocked)
	c.Await("the operator goes on", isLive+` && document.querySelector("#keys") !== null`)
	after.Click(".wafer-tab a")
	d.Login(after, "bob")
}

func (c operator) revokeKey(kid, all string) {
	button := fmt.Sprintf(`#keys-body button[data-kid="%s"][data-does="revoke"]`, kid)
	c.Await("the key is there", fmt.Sprintf(`document.querySelector(%q)?.disabled === false`, button))
	c.Click(button)
	c.Await("the question", isAsking)
	c.Click(fmt.Sprintf(`label:has(> input[name="all"][value="%s"])`, all))
	c.confirmed("revoke")
	c.Await("the key is revoked", fmt.Sprintf(`[...document.querySelectorAll("#keys-body tr")].some(r => r.querySelector("code")?.textContent === %q && r.querySelector(".pill.bad"))`, kid))
}

// Signed out in one tab, the console's stream ends and its other tabs show the form.
func TestTheConsolesStreamEndsAtSignOut(t *testing.T) {
	t.Parallel()
	d, p := browsertest.StartDemo(t, nil), browsertest.NewProfile(t, "status of 401")
	one := openConsole(d, p)
	two, bare := operator{p.Tab(d.URL + "admin/")}, p.Tab(d.URL)
	two.Await("the same session", isLive)
	bare.Evaluate(readStream("/admin/events"))
	bare.Await("the stream is open", "streamed > 0")
	one.Click(`form[action="sign-out"] button`)
	one.Await("signed out", isSignIn)
	bare.Await("the stream ends", "streamEnded !== null")
	two.Await("signed out in another tab", isSignIn)
	if got := browsertest.Value[int](bare, `fetch("/admin/status").then(r => r.status)`); got != 401 {
		t.Errorf("then the API answers %d", got)
	}
}

// The store goes away and comes back under the pages of an operator and of users.
func TestStoreAwayUnderBothPages(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	d := browsertest.StartDemo(t, []string{"--redis", "redis://" + redis.Addr})
	const unavailable = "status of 503"
	b, other := browsertest.NewProfile(t, refused, unavailable).Tab(d.URL), browsertest.NewProfile(t, refused, unavailable).Tab(d.URL)
	p := browsertest.NewProfile(t, unavailable)
	c := openConsole(d, p)
	d.Login(b, "ada")
	d.Login(other, "bob")
	c.Await("all is well", isWell)

	redis.Kill()
	c.Await("the console says so", isAway)
	b.Await("the demo says so", `document.querySelector("#store").textContent !== "running"`)
	b.Fill("#text", "written without a store")
	b.Click("#note button")
	b.Await("saved all the same", `/Replica \d saved the note/.test(document.querySelector("#log").textContent)`)
	for _, name := range sections {
		c.section(name)
		c.Await("it says something", fmt.Sprintf(`document.getElementById(%q).innerText.trim().length > 20`, name))
	}
	c.section("replicas")
	c.Screen("console-away")
	again := operator{p.Tab(d.URL + "admin/")}
	again.Await("also in a new tab", isLive+" && "+isAway)
	c.ask("subject", "bob")
	c.Click("#confirm-do")
	c.Await("what is sent later", `document.querySelector("#receipts li .verdict.bad") !== null`)
	b.Await("others stay", signedIn)
	// A click that comes twice, and Cancel, close nothing before the answer is there.
	c.ask("subject", "nobody")
	c.Evaluate(`document.querySelector("#confirm-do").click(); document.querySelector("#confirm-do").click(); document.querySelector("#confirm-cancel").click(); 0`)
	if !browsertest.Value[bool](c.Tab, isAsking+` && document.querySelector("#confirm-do").hasAttribute("aria-busy")`) {
		t.Error("the question was closed before its answer")
	}
	c.Await("the answer", "!"+isAsking+` && document.querySelectorAll("#receipts li .verdict.bad").length === 2`)

	redis.Restart()
	c.Await("the console says so", isWell)
	c.Click("#receipts > li:first-child button")
	c.Await("asked again, and enforced", `document.querySelector("#receipts > li:first-child .verdict.good") !== null && document.querySelectorAll("#receipts > li").length === 2`)
	b.Await("the demo says so", `document.querySelector("#store").textContent === "running"`)
	other.Await("revoked in the meantime", browsertest.IsLocked)
	b.Await("others stay", browsertest.IsOpen+" && "+signedIn)
	c.revoke("subject", "ada")
	b.Await("revoked", browsertest.IsLocked)
}

// An operator without a mouse signs in, revokes, confirms and signs out.
func TestTheConsoleByKeyboard(t *testing.T) {
	t.Parallel()
	d := browsertest.StartDemo(t, nil)
	user, c := browsertest.NewProfile(t, refused).Tab(d.URL), operator{browsertest.NewProfile(t).Tab(d.URL + "admin/")}
	d.Login(user, "ada")
	c.Await("the form to sign in", isSignIn+` && document.activeElement.id === "token"`)
	c.Press(d.Token + kb.Enter)
	c.Await("the console is live", isLive)
	c.TabTo("#revoke-id")
	c.Press("ada")
	c.TabTo("#revoke-button")
	c.Press(kb.Enter)
	c.Await("the question has the focus", isAsking+` && document.activeElement.id === "confirm-cancel"`)
	c.Press(kb.Escape)
	c.Await("nothing is done, and the focus is where it was", "!"+isAsking+` && document.activeElement.id === "revoke-button"`)
	c.Press(" ")
	c.Await("the question", isAsking)
	c.TabTo("#confirm-do")
	c.Press(kb.Enter)
	c.awaitEnforced()
	c.Await("the focus is on what was done", `document.activeElement.id === "done-title"`)
	user.Await("revoked", browsertest.IsLocked)
	for _, name := range sections[1:] {
		c.TabTo(fmt.Sprintf(`#sections a[href="#%s"]`, name))
		c.Press(kb.Enter)
		c.Await("the section has the focus", fmt.Sprintf(`!document.getElementById(%q).hidden && document.activeElement.id === %q`, name, name+"-title"))
	}
	c.TabTo(`form[action="sign-out"] button`)
	c.Press(kb.Enter)
	c.Await("signed out", isSignIn)
}

// axe-core finds nothing serious in any section, signed in and out.
func TestTheConsoleIsAccessible(t *testing.T) {
	t.Parallel()
	d, p := browsertest.StartDemo(t, nil), browsertest.NewProfile(t, "status of 401")
	c := operator{p.Tab(d.URL + "admin/")}
	c.Await("the form to sign in", isSignIn)
	c.Accessible("signed out")
	c.Screen("console-signed-out")
	c.Fill("#token", "wrong")
	c.Click("form button")
	c.Await("why not", isSignIn+` && document.querySelector("#prompt") !== null`)
	c.Accessible("a wrong token")
	c.Fill("#token", d.Token)
	c.Click("form button")
	c.Await("the console is live", isLive)
	c.ask("everyone", "")
	c.Accessible("a question")
	c.Screen("console-question")
	c.Press(kb.Escape)
	c.revoke("subject", "ada")
	for _, name := range sections {
		c.section(name)
		if name == "lookup" {
			c.Fill("#lookup-id", "ada")
			c.Click("#lookup-button")
			c.Await("what is in force", `document.querySelector("#found-list .effect-card") !== null`)
		}
		c.Await("it has been read", fmt.Sprintf(`!/Asking|Reading/.test(document.getElementById(%q).innerText)`, name))
		c.Accessible(name)
		c.Screen("console-" + name)
	}
}

// What comes every second does not move what is there already.
func TestTheConsoleStandsStill(t *testing.T) {
	t.Parallel()
	d, p := browsertest.StartDemo(t, nil), browsertest.NewProfile(t)
	user, c := browsertest.NewProfile(t, refused).Tab(d.URL), openConsole(d, p)
	c.Evaluate(`window.moved = []; window.heard = 0;
		new PerformanceObserver(list => {
			for (const entry of list.getEntries())
				if (!entry.hadRecentInput)
					moved.push({ by: entry.value, what: entry.sources.map(s => s.node?.id || s.node?.className || s.node?.nodeName || "gone") });
		}).observe({ type: "layout-shift", buffered: true });
		new MutationObserver(() => { heard++; }).observe(document.querySelector("#vital-age"), { childList: true, characterData: true, subtree: true }); 0`)
	d.Login(user, "ada")
	for _, name := range sections {
		c.section(name)
		c.Evaluate("heard = 0")
		c.Await("some seconds", "heard >= 2")
	}
	type move struct {
		By   float64
		What []string
	}
	total := 0.0
	for _, m := range browsertest.Value[[]move](c.Tab, "moved") {
		t.Logf("moved by %.4f: %q", m.By, m.What)
		total += m.By
	}
	if total > 0.1 { // what web.dev calls good
		t.Errorf("the page moves by %.3f", total)
	}
}
