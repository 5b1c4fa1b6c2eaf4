package browser

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/wafer-sessions/wafer/testdata/e2e/internal/browsertest"
)

var pictures = flag.String("console.pictures", "", "folder for the pictures of docs/console.md")

const (
	pictureFolder = "../../../docs/console"
	maxPicture    = 150 << 10 // bytes
)

// The page about the console shows every picture of its folder, and each is small.
func TestThePageHasItsPictures(t *testing.T) {
	page, err := os.ReadFile(pictureFolder + ".md")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, m := range regexp.MustCompile(`!\[[^\]]+\]\(console/([a-z-]+\.png)\)`).FindAllSubmatch(page, -1) {
		shown = append(shown, string(m[1]))
	}
	files, err := os.ReadDir(pictureFolder)
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, f := range files {
		there = append(there, f.Name())
		if info, err := f.Info(); err != nil || info.Size() > maxPicture {
			t.Errorf("%s: %v, or larger than %d bytes", f.Name(), err, maxPicture)
		}
	}
	if slices.Sort(shown); len(shown) == 0 || !slices.Equal(slices.Compact(shown), there) {
		t.Errorf("docs/console.md shows %q, and docs/console has %q", shown, there)
	}
}

// TestPictures makes the pictures, if the flag -console.pictures says where. It takes two minutes.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("only with -console.pictures")
	}
	d := browsertest.StartDemo(t, nil)
	visit(t, d)
	p := browsertest.NewProfile(t)
	c := openConsole(d, p)
	for range 4 { // time to draw charts of
		c.Evaluate(`new Promise(done => setTimeout(done, 20_000))`)
	}
	c.Scheme("light")
	c.Run(chromedp.EmulateViewport(1280, 900))
	c.revoke("subject", "ada")
	c.take("revoke")
	c.ask("everyone", "")
	c.take("confirm")
	c.Click("#confirm-cancel")
	c.section("keys")
	c.Click("#rotate-button")
	c.confirmed("")
	c.Await("some have the new key", `document.querySelectorAll("#loading-fleet .pill").length === 3`)
	c.take("keys")

	c.Scheme("dark")
	c.section("charts")
	c.take("charts")
	c.section("replicas")
	c.Evaluate(`fetch("/stage/store", { method: "POST", body: new URLSearchParams({ stopped: "true" }) })`)
	c.Await("away", isAway)
	c.take("away")
	c.Evaluate(`fetch("/stage/store", { method: "POST", body: new URLSearchParams({ stopped: "false" }) })`)
	c.Await("back", isWell)

	phone := operator{p.Tab(d.URL + "admin/")}
	phone.Scheme("light")
	phone.Run(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	phone.Await("all is well", isLive+" && "+isWell)
	phone.take("phone")
}

// visit lets people sign in, work and sign out until the test ends.
func visit(t *testing.T, d *browsertest.Demo) {
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	for i, user := range []string{"ada", "bob", "carol", "dan", "eve", "frank", "grace", "heidi"} {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		client := http.Client{Jar: jar, Timeout: browsertest.Patience}
		send := func(method, path string, form url.Values) {
			r, err := http.NewRequestWithContext(t.Context(), method, d.URL+path, bytes.NewBufferString(form.Encode()))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Accept", "application/json")
			if res, err := client.Do(r); err == nil {
				res.Body.Close()
			}
		}
		all.Go(func() {
			tick := time.NewTicker(time.Duration(200+50*i) * time.Millisecond)
			defer tick.Stop()
			for n := 0; t.Context().Err() == nil; n++ {
				switch {
				case n%(40+10*i) == 0:
					send("POST", "logout", nil)
					send("POST", "login", url.Values{"user": {user}})
				case n%10 == 9:
					send("POST", "note", url.Values{"text": {"two candles"}})
				default:
					send("GET", "api/session", nil)
				}
				<-tick.C
			}
		})
	}
}

// take takes a picture of the page in few colours.
func (c operator) take(name string) {
	c.Evaluate(`scrollTo(0, 0)`)
	shot, err := chromedp.Run(c.Ctx, chromedp.CaptureScreenshot())
	if err == nil {
		shot, err = fewColours(shot)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(*pictures, name+".png"), shot, 0o644)
	}
	if err != nil {
		panic(err)
	}
}

// fewColours makes a PNG of the 256 colours that its picture has most of.
func fewColours(b []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	count := map[color.Color]int{}
	bounds := from.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			count[from.At(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return cmp.Compare(count[b], count[a]) })
	to := image.NewPaletted(bounds, most[:min(len(most), 256)])
	nearest := map[color.Color]uint8{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			at := from.At(x, y)
			i, known := nearest[at]
			if !known {
				i = uint8(to.Palette.Index(at))
				nearest[at] = i
			}
			to.SetColorIndex(x, y, i)
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to)
	return out.Bytes(), err
}
