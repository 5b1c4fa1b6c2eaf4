package tab

import (
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

// Revoked by the admin API, the page is hidden in every tab of every browser of the user.
func TestRevokedByTheAdminAPI(t *testing.T) {
	t.Parallel()
	d := browsertest.StartDemo(t, nil)
	const refused = "/api/devices" // the page asks for them now and then, also at the moment of the revocation
	laptop, phone := browsertest.NewProfile(t, refused), browsertest.NewProfile(t, refused)
	one, two, three := laptop.Tab(d.URL), laptop.Tab(d.URL), phone.Tab(d.URL)
	var took []time.Duration
	for round := range 3 {
		d.Login(one, "ada") // which two notices
		d.Login(three, "ada")
		tabs := []*browsertest.Tab{one, two, three}
		for _, b := range tabs {
			b.Await("an open page", browsertest.IsOpen)
			b.Evaluate(`document.addEventListener("wafer:ended", () => { window.hiddenAt = Date.now(); }, { once: true }); 0`)
		}
		time.Sleep(time.Duration(round) * 150 * time.Millisecond) // at another moment between two polls
		acknowledged := d.Revoke(t, "subject", "ada")
		for _, b := range tabs {
			b.Await("revoked", browsertest.IsLocked)
			at, err := chromedp.Run(b.Ctx, chromedp.Evaluate[float64](`window.hiddenAt`))
			if err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Duration(int64(at)-acknowledged.UnixMilli())*time.Millisecond)
		}
		one.Screen("demo-ended")
		one.Click(".wafer-tab a")
		three.Click(".wafer-tab a")
	}
	slices.Sort(took)
	t.Logf("pages were hidden after %v, median %v", took, took[len(took)/2])
	if took[len(took)/2] > 5*time.Second {
		t.Error("that is far too long, even on a machine with much else to do")
	}

	// Its own sign-out is no surprise: the page stays, and the other tab is hidden.
	d.Login(one, "ada")
	two.Await("its owner is back", browsertest.IsOpen)
	one.Click(`[data-end="/logout"]`)
	two.Await("signed out in the other tab", browsertest.IsLocked)
	one.Await("signed out here", `document.documentElement.dataset.wafer === "none" && !document.querySelector("#login").hidden && !document.querySelector("dialog[open]")`)
}
