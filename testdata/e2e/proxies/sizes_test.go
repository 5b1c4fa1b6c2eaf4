package proxies

import (
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// A room is how much passes a proxy in one direction, beside the largest session.
type room struct {
	left   int    // bytes, rounded down to tens; -1: the session alone does not pass
	beyond string // what the user gets beyond that
}

func (r room) String() string {
	if r.left < 0 {
		return "**none: " + r.beyond + "**"
	}
	return thousands(r.left) + " bytes, then " + r.beyond
}

func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// atMost is above what any of the configurations allows, and least what try can add.
const atMost, least = 40_000, 20

// measure finds how many bytes pass. try returns what the user sees instead of the page.
func measure(t *testing.T, try func(n int) string) room {
	t.Helper()
	if seen := try(0); seen != "" {
		return room{-1, seen}
	}
	fails := least + sort.Search(atMost, func(n int) bool { return try(least+n) != "" })
	if fails >= atMost {
		t.Errorf("%d bytes pass", fails)
	}
	return room{(fails - 1) / 10 * 10, try(fails + 1000)}
}

// filled returns a browser with the largest session that Wafer makes, and how many bytes of data that
// has.
func (f *fleet) filled(t *testing.T, path string) (b *browser, n int) {
	b = f.direct(t)
	b.ok("POST", shop+path+"/login?user=ada")
	for n = 100_000; ; {
		a := b.send("POST", bulk(path, n, 0), "")
		if a.StatusCode == http.StatusOK {
			return b, n
		}
		if a.Cut == 0 {
			t.Fatalf("status %s: %s", a.Status, a.text)
		}
		n -= a.Cut
	}
}

func bulk(path string, n, pad int) string {
	return fmt.Sprintf("%s%s/bulk?n=%d&pad=%d", shop, path, n, pad)
}

// testSizes measures what passes beside the largest session in one cookie and in three: other
// headers of the answer that sets it, and other cookies of the requests that bring it.
func testSizes(t *testing.T, f *fleet) {
	var all []*proxy
	for _, k := range kinds {
		// Without this, nginx would use no replica any more: see testTooLarge.
		all = append(all, k.start(t, f, "defaults", "8080;", "8080 max_fails=0;"), k.start(t, f, "tested", "fail_timeout=1s", "max_fails=0"))
	}
	rooms := map[*proxy][]room{}
	for _, path := range []string{"", "/three"} {
		each(t, all, func(t *testing.T, p *proxy) {
			for _, way := range []func(*testing.T, *proxy, string) func(bool, int) string{answers, requests} {
				try := way(t, p, path)
				r := measure(t, func(n int) string { return try(false, n) })
				// HTTP/2 splits what HTTP/1.1 has in one line, and each part takes some bytes more.
				if most := r.left - 500; most >= least && p.conf == "tested" {
					if seen := try(true, most); seen != "" {
						t.Errorf("%d bytes pass over HTTP/1.1, but not %d over HTTP/2: %s", r.left, most, seen)
					}
				}
				rooms[p] = append(rooms[p], r)
			}
		})
	}
	checkTable(t, all, rooms)
}

// answers returns a function that sends the largest session with n bytes of another header, and
// returns what the user sees instead.
func answers(t *testing.T, p *proxy, path string) func(http2 bool, n int) string {
	large, data := p.fleet.filled(t, path)
	return func(http2 bool, n int) string {
		return outcome(large.copy(t, p, http2).try("POST", bulk(path, data, n), ""))
	}
}

// requests does the same for requests, with n bytes of another cookie.
func requests(t *testing.T, p *proxy, path string) func(http2 bool, n int) string {
	large, _ := p.fleet.filled(t, path)
	return func(http2 bool, n int) string {
		b := large.copy(t, p, http2)
		if n > 0 {
			b.keep(&http.Cookie{Name: "o", Value: strings.Repeat("o", n-len("; o="))})
		}
		return outcome(b.try("GET", shop+path+"/me", ""))
	}
}

// outcome returns what a user sees who does not get the page, and "" for the page.
func outcome(a *answer, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case a.StatusCode != http.StatusOK || a.reply.Replica < 0:
		return strconv.Itoa(a.StatusCode)
	}
	return ""
}
