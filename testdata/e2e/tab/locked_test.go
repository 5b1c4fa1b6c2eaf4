package tab

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

// On the page of the demo a new role comes without a login, and a session that waits for a login goes on after it.
func TestRoleAndRequiredLogin(t *testing.T) {
	t.Parallel()
	d := browsertest.StartDemo(t, nil)
	const refused = "/api/devices" // the page asks for them now and then, also at the moment of the change
	p := browsertest.NewProfile(t, refused)
	one, two := p.Tab(d.URL), p.Tab(d.URL)
	d.Login(one, "ada")
	two.Await("signed in, too", `!document.querySelector("#session").hidden`)
	one.Run(chromedp.SetValue(chromedp.CSS("#text"), "two candles"), chromedp.Click(chromedp.CSS("#note button")))
	one.Click("#role-button")
	const isEditor = `document.querySelector("#role").textContent === "editor"`
	one.Await("the new role", isEditor)
	two.Await("the new role in the other tab", isEditor)
	one.Await("how long it took", `document.querySelector("#log").textContent.includes("s after the change")`)
	one.Evaluate(`document.querySelector("#operator-label").scrollIntoView({ block: "center" })`)
	one.Screen("demo-role")

	one.Click(`[data-end="/require-login"]`)
	for _, b := range []*browsertest.Tab{one, two} {
		b.Await("the login form with the name", `!document.querySelector("#login").hidden && document.querySelector("#user").value === "ada" &&
			document.querySelector("#why").textContent.includes("note wait") && !document.querySelector("dialog[open]")`)
	}
	one.Evaluate(`document.querySelector("#login").scrollIntoView({ block: "center" })`)
	one.Screen("demo-locked")
	one.Click("#login button")
	for _, b := range []*browsertest.Tab{one, two} {
		b.Await("the note is still there", `!document.querySelector("#session").hidden && document.querySelector("#text").value === "two candles"`)
	}
	one.Click("#everybody")
	one.Await("under way", `document.querySelector("#log").textContent.includes("Everybody is out within a minute")`)
	one.Evaluate(`document.querySelector("#log").scrollIntoView({ block: "center" })`)
	one.Screen("demo-everybody")
}
