package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	rate     = 500 // requests a second
	workers  = 50
	browsers = 6 // of each worker
)

type cookies map[string]string

// kid returns which key sealed the session.
func (c cookies) kid() string {
	header, _, _ := strings.Cut(c["session"], ".")
	b, _ := base64.RawURLEncoding.DecodeString(header)
	var h struct{ Kid string }
	json.Unmarshal(b, &h)
	return h.Kid
}

// A browser belongs to one person, who does one thing at a time.
type browser struct {
	cookies
	session string // its id
	writes  int
}

// login begins a session.
func (b *browser) login(f *fleet, query string) error {
	b.cookies, b.writes = cookies{}, 0
	status, body, err := f.send("POST", "/login"+query, b.cookies)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("login: status %d: %s %w", status, body.Error, err)
	}
	b.session = body.ID
	return nil
}

// use reads or writes, and returns an error unless the same session with the same data is there.
func (b *browser) use(f *fleet, method, path string) error {
	if method == "POST" {
		b.writes++
	}
	status, body, err := f.send(method, path, b.cookies)
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return fmt.Errorf("%s: status %d: %s; sealed with %s", path, status, body.Error, b.kid())
	case body.ID != b.session || body.Writes != b.writes:
		return fmt.Errorf("%s: it is another session, or has %d writes and not %d", path, body.Writes, b.writes)
	}
	return nil
}

// load is what uses the application all the time.
type load struct {
	t     *testing.T
	f     *fleet
	all   [workers * browsers]*browser
	start time.Time
	done  chan struct{}
	wg    sync.WaitGroup

	mu       sync.Mutex // owns what follows
	requests int
	errors   int
	with     map[string]int // requests whose session that key had sealed in the end
}

// newLoad logs everybody in and begins.
func newLoad(t *testing.T, f *fleet) *load {
	l := &load{t: t, f: f, done: make(chan struct{}), with: map[string]int{}}
	for i := range l.all {
		l.all[i] = &browser{}
		if err := l.all[i].login(f, fmt.Sprint("?user=", i)); err != nil {
			t.Fatal(err)
		}
	}
	l.start = time.Now()
	for i := range workers {
		l.wg.Go(func() { l.work(l.all[i*browsers : (i+1)*browsers]) })
	}
	return l
}

// work sends its part of the requests until the load ends.
func (l *load) work(own []*browser) {
	every := time.Second * workers / rate
	next := time.Now().Add(rand.N(every))
	for i := 0; ; i++ {
		select {
		case <-l.done:
			return
		case <-time.After(time.Until(next)):
		}
		next = next.Add(every)
		b := own[i%len(own)]
		var err error
		switch n := rand.N(100); {
		case n < 70:
			err = b.use(l.f, "GET", "/me")
		case n < 97:
			err = b.use(l.f, "POST", "/write")
		default:
			err = b.login(l.f, fmt.Sprint("?user=", rand.N(browsers*workers)))
		}
		l.count(b.kid(), err)
	}
}

func (l *load) count(kid string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	l.with[kid]++
	if err == nil {
		return
	}
	if l.errors++; l.errors <= 10 {
		l.t.Errorf("request %d: %v", l.requests, err)
	}
}

// used returns how many requests ended with a session that this key had sealed.
func (l *load) used(kid string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.with[kid]
}

// stop ends the load. It returns a copy of what each browser has.
func (l *load) stop() (all []cookies) {
	close(l.done)
	l.wg.Wait()
	took := time.Since(l.start)
	l.t.Logf("%d requests in %v, %.0f a second, with %d errors", l.requests, took.Round(time.Second), float64(l.requests)/took.Seconds(), l.errors)
	if l.errors > 0 {
		l.t.Errorf("%d errors", l.errors)
	}
	for _, b := range l.all {
		all = append(all, maps.Clone(b.cookies))
	}
	return all
}
