package browsertest

import (
	"context"
	"flag"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

var screens = flag.String("screens", "", "folder for pictures of the pages: in light, in dark and on a phone")

// Sizes of a window and of a phone, in pixels.
const (
	windowWidth, windowHeight = 1280, 900
	phoneWidth, phoneHeight   = 390, 844
)

// Scheme lets the user prefer "light" or "dark" pages, and no motion. "" is what the browser prefers by itself.
func (b *Tab) Scheme(value string) {
	b.t.Helper()
	motion := ""
	if value != "" {
		motion = "reduce"
	}
	b.Run(func(ctx context.Context, t *chromedp.Target) (v chromedp.Void, err error) {
		_, err = cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: motion}},
		})
		return v, err
	})
}

// Screen shows the page in light, in dark and on a phone, and takes pictures if the flag -screens names a folder. The test
// fails if the page is too wide for a phone.
func (b *Tab) Screen(name string) {
	b.t.Helper()
	b.Scheme("light")
	b.picture(name)
	b.Scheme("dark")
	b.picture(name + "-dark")
	b.Scheme("light")
	b.Run(chromedp.EmulateViewport(phoneWidth, phoneHeight, chromedp.EmulateMobile))
	if width := Value[int](b, "document.documentElement.scrollWidth"); width > phoneWidth {
		b.t.Errorf("%s: the page is %d pixels wide on a phone that has %d", name, width, phoneWidth)
	}
	b.picture(name + "-phone")
	b.Run(chromedp.EmulateViewport(windowWidth, windowHeight))
	b.Scheme("")
}

func (b *Tab) picture(name string) {
	b.t.Helper()
	if *screens == "" {
		return
	}
	png, err := chromedp.Run(b.Ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(*screens, name+".png"), png, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}
