package tab

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience is how long anything may take on a machine with much else to do.
const patience = 30 * time.Second

// A profile is one user's browser: its tabs share cookies.
type profile struct {
	t   *testing.T
	ctx context.Context // of a tab that stays empty
	out *complaints
}

// complaints are what the consoles of a browser's tabs show.
type complaints struct {
	mu   sync.Mutex
	said []string
}

func (c *complaints) add(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, text)
}

func (c *complaints) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.said)
}

// A tab is one page.
type tab struct {
	t     *testing.T
	ctx   context.Context
	close func() // as its user does
}

// start starts the browser that all tests share, and returns what ends it.
var start = sync.OnceValues(func() (context.Context, error) {
	for _, name := range []string{"chromium", "google-chrome"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox,
			chromedp.WSURLReadTimeout(2*patience))
		allocated, _ := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, _ := chromedp.NewContext(allocated)
		return ctx, chromedp.Do(ctx)
	}
	return nil, exec.ErrNotFound
})

func TestMain(m *testing.M) {
	code := m.Run()
	if ctx, err := start(); err == nil {
		chromedp.Cancel(ctx) // ends the browser and deletes its files
	}
	os.Exit(code)
}

// chromium returns a browser.
func chromium(t *testing.T) context.Context {
	t.Helper()
	ctx, err := start()
	switch {
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true":
		t.Skip("no Chromium is installed")
	case err != nil:
		t.Fatal(err)
	}
	return ctx
}

// newProfile opens a window with cookies of its own. The test fails if a console complains: of errors, exceptions or
// violations of a Content-Security-Policy. Complaints that contain tolerated, if that is not "", do not count.
func newProfile(t *testing.T, browser context.Context, tolerated string) *profile {
	t.Helper()
	p := &profile{t: t, out: new(complaints)}
	t.Cleanup(func() {
		for _, said := range p.out.all() {
			if tolerated == "" || !strings.Contains(said, tolerated) {
				t.Errorf("a console shows: %s", said)
			}
		}
	})
	p.ctx = p.open(chromedp.NewContext(browser, chromedp.WithNewBrowserContext()))
	return p
}

// open opens a tab whose console is read.
func (p *profile) open(ctx context.Context, cancel context.CancelFunc) context.Context {
	p.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		p.t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			p.out.add(m.String() + " " + m.URL)
		}
	}()
	return ctx
}

// tab opens a page in a tab of its own.
func (p *profile) tab(url string) *tab {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	b := &tab{p.t, p.open(ctx, cancel), cancel}
	if url != "" {
		b.run(chromedp.Navigate(url))
	}
	return b
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// await waits until a condition holds in the page, and returns when it did.
func (b *tab) await(what, condition string) time.Time {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		holds, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](condition))
		if err == nil && holds {
			return time.Now()
		}
		if time.Now().After(deadline) {
			html, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string]("document.documentElement.outerHTML"))
			b.t.Fatalf("%s: not in %v, %v; the page is %s", what, patience, err, html)
		}
	}
}

// Conditions of a page.
const (
	isOpen    = `document.documentElement.dataset.wafer === "active" && getComputedStyle(document.body).display !== "none" && !document.querySelector("dialog[open]")`
	isWarning = `document.querySelector("dialog[open].wafer-tab button") !== null`
	isLocked  = `getComputedStyle(document.body).display === "none" && document.querySelector("dialog[open].wafer-tab a") !== null`
)

// click clicks, as the user does.
func (b *tab) click(css string) {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS(css)))
}

// evaluate runs JavaScript in the page.
func (b *tab) evaluate(js string) {
	b.t.Helper()
	b.run(func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
		_, err = chromedp.Evaluate[any](js)(ctx, t)
		return v, err
	})
}

// screen writes pictures of the page into the folder WAFER_E2E_SCREENS, if that is set: in light, in dark, on a phone.
func (b *tab) screen(name string) {
	b.t.Helper()
	dir := os.Getenv("WAFER_E2E_SCREENS")
	if dir == "" {
		return
	}
	take := func(name string) {
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	scheme := func(value string) chromedp.Action[chromedp.Void] {
		return func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
			_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}},
			})
			return v, err
		}
	}
	take(name)
	b.run(scheme("dark"))
	take(name + "-dark")
	b.run(scheme("light"), chromedp.EmulateViewport(390, 844))
	take(name + "-phone")
	b.run(scheme(""), chromedp.ResetViewport())
}
