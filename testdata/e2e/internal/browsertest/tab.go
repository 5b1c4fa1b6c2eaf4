package browsertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A Tab is one page.
type Tab struct {
	Ctx   context.Context
	Close func() // as its user does

	t *testing.T
}

// Run carries actions out, one after another.
func (b *Tab) Run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.Ctx, Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// Await waits until a condition holds in the page, and returns when it did.
func (b *Tab) Await(what, condition string) time.Time {
	b.t.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		holds, err := chromedp.Run(b.Ctx, chromedp.Evaluate[bool](condition))
		if err == nil && holds {
			return time.Now()
		}
		if time.Now().After(deadline) {
			page, _ := chromedp.Run(b.Ctx, chromedp.Evaluate[string](`location + "\n" + document.documentElement.innerText`))
			b.t.Fatalf("%s: not in %v, %v; the page is %s", what, Patience, err, page)
		}
	}
}

// Click clicks, as the user does.
func (b *Tab) Click(css string) {
	b.t.Helper()
	b.Run(chromedp.Click(chromedp.CSS(css)))
}

// Fill puts text into a field, in place of what is there.
func (b *Tab) Fill(css, text string) {
	b.t.Helper()
	b.Run(chromedp.SetValue(chromedp.CSS(css), text))
}

// Press presses keys, as the user does.
func (b *Tab) Press(keys string, options ...chromedp.KeyOption) {
	b.t.Helper()
	b.Run(chromedp.KeyEvent(keys, options...))
}

// Evaluate runs JavaScript in the page. If that is a promise, it waits until the promise is kept.
func (b *Tab) Evaluate(js string) {
	b.t.Helper()
	Value[any](b, js)
}

// Value returns what JavaScript gives in the page. If that is a promise, it waits until the promise is kept.
func Value[T any](b *Tab, js string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.Ctx, Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%.200s: %v", js, err)
	}
	return v
}

// Conditions of a page with the script of httpmw's Tab.
const (
	IsOpen    = `document.documentElement.dataset.wafer === "active" && getComputedStyle(document.body).display !== "none" && !document.querySelector("dialog[open]")`
	IsWarning = `document.querySelector("dialog[open].wafer-tab button") !== null`
	IsLocked  = `getComputedStyle(document.body).display === "none" && document.querySelector("dialog[open].wafer-tab a") !== null`
)

// TabTo presses the tab key until an element has the focus. The user must see where the focus is, all the way.
func (b *Tab) TabTo(css string) {
	b.t.Helper()
	const most = 100
	for range most {
		b.Press(kb.Tab)
		at := Value[struct {
			There, Visible bool
			HTML           string
		}](b, fmt.Sprintf(`(() => {
			const e = document.activeElement, style = getComputedStyle(e);
			return { there: e.matches(%q), html: e.cloneNode(false).outerHTML,
				visible: e === document.body || e.matches("[type^=date]") /* shows which part has it */ || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none" };
		})()`, css))
		if !at.Visible {
			b.t.Errorf("nobody can see that the focus is on %s", at.HTML)
		}
		if at.There {
			return
		}
	}
	b.t.Fatalf("%s does not have the focus after %d tabs", css, most)
}
