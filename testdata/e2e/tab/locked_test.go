package tab

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// On the page of the demo a new role comes without a login, and a session that waits for a login goes on after it.
func TestRoleAndRequiredLogin(t *testing.T) {
	t.Parallel()
	d, browser := startDemo(t), chromium(t)
	const refused = "/api/devices" // the page asks for them now and then, also at the moment of the change
	p := newProfile(t, browser, refused)
	one, two := p.tab(d.url), p.tab(d.url)
	one.demoLogin("ada")
	two.await("signed in, too", `!document.querySelector("#session").hidden`)
	one.run(chromedp.SetValue(chromedp.CSS("#text"), "two candles"), chromedp.Click(chromedp.CSS("#note button")))
	one.click("#role-button")
	const isEditor = `document.querySelector("#role").textContent === "editor"`
	one.await("the new role", isEditor)
	two.await("the new role in the other tab", isEditor)
	one.await("how long it took", `document.querySelector("#log").textContent.includes("s after the change")`)
	one.evaluate(`document.querySelector("#operator-label").scrollIntoView({ block: "center" })`)
	one.screen("demo-role")

	one.click(`[data-end="/require-login"]`)
	for _, b := range []*tab{one, two} {
		b.await("the login form with the name", `!document.querySelector("#login").hidden && document.querySelector("#user").value === "ada" &&
			document.querySelector("#why").textContent.includes("note wait") && !document.querySelector("dialog[open]")`)
	}
	one.evaluate(`document.querySelector("#login").scrollIntoView({ block: "center" })`)
	one.screen("demo-locked")
	one.click("#login button")
	for _, b := range []*tab{one, two} {
		b.await("the note is still there", `!document.querySelector("#session").hidden && document.querySelector("#text").value === "two candles"`)
	}
	one.click("#everybody")
	one.await("under way", `document.querySelector("#log").textContent.includes("Everybody is out within a minute")`)
	one.evaluate(`document.querySelector("#log").scrollIntoView({ block: "center" })`)
	one.screen("demo-everybody")
}
