package httpmw_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
)

var chunks = []string{sessionName, sessionName + ".1", sessionName + ".2"}

// text is data that is hard to spread: quotation marks, apostrophes, escapes and characters of several bytes.
func text(size int) string {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	var b strings.Builder
	for b.Len() < size {
		b.WriteString([]string{"a", "b c", `"`, "'", `\`, "\n", "é", "日本", "🥞", "<&>", "\u2028"}[r.IntN(11)])
	}
	return b.String()
}

// writeNote sets the data of a browser's session to a note of a size and checks what the browser then has and sends.
func writeNote(t *testing.T, f *fixture, b *browser, note string) {
	t.Helper()
	res := f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if err := s.Set(cart{Note: note}); err != nil {
			t.Fatal(err)
		}
	})
	for _, line := range res.Header["Set-Cookie"] {
		if len(line) > 3500 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if n := len(b.request().Header.Get("Cookie")); n > 7500-300 {
		t.Errorf("%d bytes of Cookie, which leaves no room for the renewal", n)
	}
	f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if diff := cmp.Diff(note, s.Value().Note); diff != "" || s.Err() != nil || s.Subject() != "ann" {
			t.Errorf("read back by %q, %v: %.100s", s.Subject(), s.Err(), diff)
		}
	})
}

func (b *browser) names() []string {
	return slices.Sorted(maps.Keys(b.jar))
}

func TestChunksGrowAndShrink(t *testing.T) {
	f := newFixture(t, httpmw.Config{MaxCookies: 3})
	b := newBrowser()
	sid := f.login(t, b, httpmw.Identity{Subject: "ann", Groups: []string{"g"}})
	for _, row := range []struct{ size, cookies int }{{100, 1}, {1850, 2}, {2600, 3}, {1850, 2}, {100, 1}, {2600, 3}, {0, 1}, {1860, 2}} {
		writeNote(t, f, b, text(row.size))
		if diff := cmp.Diff(chunks[:row.cookies], b.names()); diff != "" {
			t.Errorf("%d bytes: %s", row.size, diff)
		}
	}
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if s.ID() != sid || !s.InGroup("g") {
			t.Error("another session")
		}
		// A login keeps the data, a logout clears every chunk.
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); err != nil {
			t.Error(err)
		}
	})
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if s.Value().Note != text(1860) {
			t.Error("a login lost the data")
		}
		if err := s.Logout(r.Context()); err != nil {
			t.Error(err)
		}
	})
	if !b.signedOut() {
		t.Errorf("left over: %v", b.names())
	}
}

// An older response that arrives in between wins as a whole, and what it leaves behind does no harm.
func TestOldResponsesBetweenChunks(t *testing.T) {
	f := newFixture(t, httpmw.Config{MaxCookies: 3})
	for _, first := range []int{100, 1850, 2600} {
		for _, second := range []int{100, 1850, 2600} {
			for _, third := range []int{100, 1850, 2600} {
				b := newBrowser()
				f.login(t, b, httpmw.Identity{Subject: "ann"})
				writeNote(t, f, b, text(first))
				// A slow request of before the second write ends after it.
				slow := f.slow(b.copy(), func(s *httpmw.Session[cart], _ *http.Request) {
					if err := s.Set(cart{Note: text(third)}); err != nil {
						t.Error(err)
					}
				}, func() { writeNote(t, f, b, text(second)) })
				b.take(slow)
				f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
					if s.Value().Note != text(third) || s.Subject() != "ann" || s.Err() != nil {
						t.Errorf("%d, %d, %d: %v", first, second, third, s.Err())
					}
				})
				writeNote(t, f, b, "short")
				if diff := cmp.Diff(chunks[:1], b.names()); diff != "" {
					t.Errorf("%d, %d, %d: chunks were left: %s", first, second, third, diff)
				}
			}
		}
	}
}

// Of all subsets of the cookies of two writes of one session and one of another, under every name, only an exact set
// opens.
func TestMixedChunks(t *testing.T) {
	f := newFixture(t, httpmw.Config{MaxCookies: 3})
	jar := func(b *browser, size int) map[string]string {
		writeNote(t, f, b, text(size))
		return b.copy().jar
	}
	one, two := newBrowser(), newBrowser()
	f.login(t, one, httpmw.Identity{Subject: "ann"})
	f.login(t, two, httpmw.Identity{Subject: "ann"})
	sets := []map[string]string{jar(one, 2600), jar(one, 2610), jar(two, 2620), jar(two, 1850)}
	opens := 0
	// Each of three names holds a chunk of one of the sets, or nothing.
	for i := range 125 {
		b := newBrowser()
		choice := []int{i % 5, i / 5 % 5, i / 25}
		for j, name := range chunks {
			if k := choice[j]; k < len(sets) && sets[k][name] != "" {
				b.jar[name] = sets[k][name]
			}
		}
		subject, err := f.look(b)
		whole := choice[0] < len(sets)
		if whole {
			for _, name := range chunks {
				if v := sets[choice[0]][name]; v != "" && b.jar[name] != v {
					whole = false
				}
			}
		}
		switch {
		case whole:
			opens++
			if subject != "ann" || err != nil {
				t.Errorf("an exact set %v: %q, %v", choice, subject, err)
			}
		case subject != "":
			t.Errorf("a mixture %v opened", choice)
		case b.jar[sessionName] == "" && err != nil, b.jar[sessionName] != "" && err != httpmw.ErrIncomplete:
			t.Errorf("a mixture %v: %v", choice, err)
		}
	}
	if opens != 3+5 { // three exact sets, and one of two chunks with whatever beside
		t.Errorf("%d combinations opened", opens)
	}
	if n := f.Stats().Refused["incomplete"]; n == 0 {
		t.Error("not counted")
	}
	// Pieces under each other's names are nothing.
	for _, swap := range [][3]int{{1, 0, 2}, {0, 2, 1}, {2, 1, 0}, {1, 2, 0}, {1, 1, 2}} {
		b := newBrowser()
		for j, name := range chunks {
			b.jar[name] = sets[0][chunks[swap[j]]]
		}
		if subject, err := f.look(b); subject != "" || !errors.Is(err, httpmw.ErrInvalid) {
			t.Errorf("order %v: %q, %v", swap, subject, err)
		}
	}
	// Junk beside the right chunk does not hide it.
	r := newBrowser().request()
	for _, name := range chunks[1:] {
		r.Header.Add("Cookie", name+"=junk; "+name+"="+sets[2][name]+"; "+name+"="+sets[0][name])
	}
	r.Header.Add("Cookie", sessionName+"="+sets[0][sessionName])
	newBrowser().send(f.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if s := f.From(r.Context()); s.Value().Note != text(2600) {
			t.Errorf("beside junk: %v", s.Err())
		}
	})), r)
}

// An incomplete session is no session, and the next write begins a new one and clears what was left.
func TestAfterAnIncompleteSession(t *testing.T) {
	f := newFixture(t, httpmw.Config{MaxCookies: 3})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	writeNote(t, f, b, text(2600))
	delete(b.jar, chunks[1])
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	if diff := cmp.Diff(chunks[:1], b.names()); diff != "" {
		t.Error(diff)
	}
}

// A replica that writes one cookie only reads what others wrote, as while a deploy turns chunks on or off.
func TestChunksAreReadWithoutBeingWritten(t *testing.T) {
	f := newFixture(t, httpmw.Config{MaxCookies: 3})
	plain := newReplica(t, f.ring, f.store.Unwrap(), httpmw.Config{})
	b := newBrowser()
	f.login(t, b, httpmw.Identity{Subject: "ann"})
	writeNote(t, f, b, text(2600))
	plain.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
		if s.Value().Note != text(2600) {
			t.Errorf("read %d bytes, %v", len(s.Value().Note), s.Err())
		}
		if err := s.Set(s.Value()); !errors.Is(err, httpmw.ErrTooLarge) {
			t.Errorf("wrote it: %v", err)
		}
		if err := s.Set(cart{Note: "short"}); err != nil {
			t.Error(err)
		}
	})
	if diff := cmp.Diff(chunks[:1], b.names()); diff != "" {
		t.Error(diff)
	}
}

func TestTooLargeForChunks(t *testing.T) {
	for _, cookies := range []int{2, 3} {
		for name, id := range map[string]httpmw.Identity{
			"small": {Subject: "ann"},
			"large": {Subject: strings.Repeat("a", 256), Groups: strings.Split("a b c d e f g h", " ")},
		} {
			for kind, content := range map[string]func(int) string{
				"plain": func(n int) string { return strings.Repeat("x", n) },
				"hard":  text,
				"wide":  func(n int) string { return strings.Repeat("🥞", n/4) },
			} {
				for _, size := range []int{5000, 5001, 5002, 5003, 9000, 1 << 20} {
					t.Run(fmt.Sprintf("%d cookies/%s/%s/%d", cookies, name, kind, size), func(t *testing.T) {
						testTooLarge(t, httpmw.Config{MaxCookies: cookies, App: strings.Repeat("a", 64)}, id, content(size))
					})
				}
			}
		}
	}
}

// testTooLarge cuts as much of the data as the error says.
func testTooLarge(t *testing.T, c httpmw.Config, id httpmw.Identity, note string) {
	f := newFixture(t, c)
	b := newBrowser()
	f.in(b, func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Login(r.Context(), id); err != nil {
			t.Fatal(err)
		}
		var tooLarge *httpmw.SizeError
		if err := s.Set(cart{Note: note}); !errors.As(err, &tooLarge) {
			t.Fatalf("got %v", err)
		}
		if tooLarge.Cut <= 0 || tooLarge.Cut > tooLarge.Data || tooLarge.Size <= tooLarge.Max {
			t.Fatalf("got %+v", tooLarge)
		}
		// The note is at the end of the JSON. Its characters are cut whole, so a little more may go.
		short := strings.ToValidUTF8(note[:len(note)-min(tooLarge.Cut, len(note))], "")
		if err := s.Set(cart{Note: short}); err != nil {
			t.Errorf("cut by %d as told: %v", tooLarge.Cut, err)
		}
	})
	least := 0
	if strings.Count(note, note[:1]) == len(note) { // every byte takes the same room, so no more than needed was cut
		least = 2200 * c.MaxCookies
	}
	if n := len(b.request().Header.Get("Cookie")); n > 7500-300 || n < least {
		t.Errorf("%d bytes of Cookie", n)
	}
}

// What the package's documentation says fits does, with JSON of an ordinary kind and an ordinary subject.
func TestHowMuchFits(t *testing.T) {
	for cookies, size := range map[int]int{1: 2100, 2: 2800, 3: 4300} {
		f := newFixture(t, httpmw.Config{MaxCookies: cookies})
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "0199f2c4-7c1e-7e02-b1f3-5a8f4c2d9e10", Groups: []string{"tenant:7"}})
		var data cart
		for encoded := len(`{"items":[]}`); encoded < size; encoded += len(`"twelve chars",`) {
			data.Items = append(data.Items, "twelve chars")
		}
		f.in(b, func(_ http.ResponseWriter, _ *http.Request, s *httpmw.Session[cart]) {
			if err := s.Set(data); err != nil {
				t.Errorf("%d cookies: %v", cookies, err)
			}
		})
		if n := len(b.jar); n != cookies {
			t.Errorf("%d cookies where %d may be", n, cookies)
		}
	}
}
