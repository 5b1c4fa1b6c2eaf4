package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// A Profile is one user's browser: its tabs share cookies.
type Profile struct {
	t         *testing.T
	ctx       context.Context // of a tab that stays empty
	tolerated []string

	mu   sync.Mutex // owns said
	said []string   // by the consoles of its tabs, and by what the browser finds wrong with a page
}

// NewProfile opens a window with cookies of its own. The test fails if a console shows anything but plain messages, such
// as an error, an exception or a violation of a Content-Security-Policy, or if the browser reports an issue. Complaints
// that contain one of tolerated do not count.
func NewProfile(t *testing.T, tolerated ...string) *Profile {
	t.Helper()
	p := &Profile{t: t, tolerated: tolerated}
	t.Cleanup(func() {
		for _, said := range p.complaints() {
			t.Errorf("a console shows: %s", said)
		}
	})
	p.ctx = p.open(chromedp.NewContext(chromium(t), chromedp.WithNewBrowserContext()))
	return p
}

// Said returns all that the consoles have shown so far.
func (p *Profile) Said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.said)
}

// complaints returns what the test does not tolerate of that.
func (p *Profile) complaints() []string {
	return slices.DeleteFunc(p.Said(), func(said string) bool {
		return slices.ContainsFunc(p.tolerated, func(s string) bool { return strings.Contains(said, s) })
	})
}

func (p *Profile) add(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, text)
}

// Tab opens a page in a tab of its own. With url "" it stays empty.
func (p *Profile) Tab(url string) *Tab {
	p.t.Helper()
	ctx, cancel := chromedp.NewContext(p.ctx)
	b := &Tab{t: p.t, Ctx: p.open(ctx, cancel), Close: cancel}
	if url != "" {
		b.Run(chromedp.Navigate(url))
	}
	return b
}

// open opens a tab whose console is read to its end.
func (p *Profile) open(ctx context.Context, cancel context.CancelFunc) context.Context {
	p.t.Helper()
	p.t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		p.t.Fatal(err)
	}
	messages, issues := chromedp.Console(ctx), chromedp.Events(ctx, audits.IssueAdded)
	end := fmt.Sprintf("end of the console of %p", ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for m, err := range messages {
			if err != nil || m.Text == end {
				return
			}
			p.add(m.String() + " " + m.URL)
		}
	}()
	go func() {
		for issue, err := range issues {
			if err != nil {
				return
			}
			details, _ := json.Marshal(issue.Issue.Details)
			p.add(fmt.Sprintf("issue: %s %s", issue.Issue.Code, details))
		}
	}()
	if _, err := chromedp.Call(ctx, audits.Enable, cdp.Empty{}); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		enough, cancel := context.WithTimeout(ctx, Patience)
		defer cancel()
		if _, err := chromedp.Run(enough, chromedp.Evaluate[any](fmt.Sprintf("console.debug(%q)", end))); err != nil {
			return // closed
		}
		select {
		case <-ended:
		case <-time.After(Patience):
			p.t.Error("the end of a console was not read")
		}
	})
	return ctx
}

// Cookies returns all cookies of the browser.
func (p *Profile) Cookies() []*network.Cookie {
	p.t.Helper()
	got, err := chromedp.CallBrowser(p.ctx, storage.GetCookies, storage.GetCookiesParams{BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID})
	if err != nil {
		p.t.Fatal(err)
	}
	return got.Cookies
}
