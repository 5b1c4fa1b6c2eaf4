// Package browsertest drives a real Chromium for tests: windows with cookies of their own, tabs, what
// their consoles complain of, pictures, axe-core, and a demo to look at.
package browsertest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Patience is how long anything may take on a machine with much else to do.
const Patience = 30 * time.Second

// What Main ends and removes.
var (
	browser context.Context // nil: no test has started one
	folder  string          // with the command; "": no test has built it
)

// start starts the browser that all tests of a package share. Every name below .test leads to this machine, and any
// certificate will do.
var start = sync.OnceValues(func() (context.Context, error) {
	for _, name := range []string{"chromium", "google-chrome"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox,
			chromedp.WSURLReadTimeout(2*Patience), chromedp.IgnoreCertErrors,
			chromedp.WindowSize(windowWidth, windowHeight), chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"))
		allocated, _ := chromedp.NewExecAllocator(context.Background(), options...)
		browser, _ = chromedp.NewContext(allocated)
		return browser, chromedp.Do(browser)
	}
	return nil, exec.ErrNotFound
})

// Main runs the tests of a package and ends what they started: the TestMain of every package that uses a browser.
func Main(m *testing.M) {
	code := m.Run()
	if browser != nil {
		chromedp.Cancel(browser) // ends it and deletes its files
	}
	if folder != "" {
		os.RemoveAll(folder)
	}
	os.Exit(code)
}

// chromium returns the browser. A test without one is skipped, but not in CI.
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
