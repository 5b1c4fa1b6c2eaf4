package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"time"
)

// stage holds the other browsers that the page shows: a thief with a copied cookie, the user's phone,
// another user. They live in this process, but talk to the demo over its port like any browser.
//
// The page cannot copy its own cookie, which is HttpOnly: no script can read it. So the server copies
// the cookie from the request.
type stage struct {
	url string
	mux *http.ServeMux

	mu       sync.Mutex // guards browsers
	browsers map[string]*browser
}

// browser is one client with its own cookies.
type browser struct {
	client *http.Client
	used   time.Time // guarded by stage.mu
}

// maxBrowsers is how many browsers are kept. One more replaces the one that was unused the longest.
const maxBrowsers = 64

func newStage(url string) *stage {
	s := &stage{url: url, mux: http.NewServeMux(), browsers: map[string]*browser{}}
	s.mux.HandleFunc("POST /stage/thief", s.steal)
	s.mux.HandleFunc("POST /stage/browser", s.open)
	s.mux.HandleFunc("GET /stage/{id}", s.replay)
	return s
}

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// steal copies the cookies of the browser that asks into a new browser.
func (s *stage) steal(w http.ResponseWriter, r *http.Request) {
	loot := ours(r)
	if len(loot) == 0 {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "no cookie to copy: sign in first"})
		return
	}
	b, err := newBrowser(s.url, loot)
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]any{"error": "failed"})
		return
	}
	id := s.keep(b)
	pairs := make([]string, len(loot))
	for i, c := range loot {
		pairs[i] = c.Name + "=" + c.Value
	}
	header := strings.Join(pairs, "; ")
	writeJSON(w, http.StatusOK, map[string]any{
		"id": id, "bytes": len(header), "curl": fmt.Sprintf("curl -i -b '%s' %s/api/session", header, s.url),
	})
}

// ours returns the cookies of a request that carry the session, without the marker that a logout
// leaves. The page shows them in a command to be copied into a shell, and other programs on this host
// may set cookies of the same name. So a cookie with characters that tokens do not have is left out.
func ours(r *http.Request) []*http.Cookie {
	var found []*http.Cookie
	for _, c := range r.Cookies() {
		if (c.Name == app || c.Name == app+"-seen") && !strings.HasPrefix(c.Value, "out.") && !strings.ContainsFunc(c.Value, notOfToken) {
			found = append(found, &http.Cookie{Name: c.Name, Value: c.Value, Path: "/"})
		}
	}
	return found
}

func notOfToken(c rune) bool {
	return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
}

// open opens a browser and logs a user in with it.
func (s *stage) open(w http.ResponseWriter, r *http.Request) {
	b, err := newBrowser(s.url, nil)
	if err == nil {
		err = b.login(r.Context(), s.url, r.PostFormValue("user"))
	}
	if err != nil {
		writeJSON(w, http.StatusBadGateway, map[string]any{"error": "the login failed"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"id": s.keep(b)})
}

// replay lets a browser ask for its session, and answers what it got.
func (s *stage) replay(w http.ResponseWriter, r *http.Request) {
	b := s.find(r.PathValue("id"))
	if b == nil {
		writeJSON(w, http.StatusNotFound, map[string]any{"error": "no such browser"})
		return
	}
	began := time.Now()
	answer, err := b.ask(r.Context(), s.url+"/api/session")
	if err != nil {
		writeJSON(w, http.StatusBadGateway, map[string]any{"error": "the demo did not answer"})
		return
	}
	answer.Micros = time.Since(began).Microseconds()
	writeJSON(w, http.StatusOK, answer)
}

// asked is the answer that a browser got.
type asked struct {
	Status  int    `json:"status"`
	Replica int    `json:"replica"`
	Reason  string `json:"reason,omitempty"`
	Subject string `json:"subject,omitempty"`
	Micros  int64  `json:"micros"`
}

func (b *browser) ask(ctx context.Context, url string) (*asked, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var body struct {
		Subject, Error string
		Replica        int
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&body); err != nil {
		return nil, err
	}
	return &asked{Status: resp.StatusCode, Replica: body.Replica, Reason: body.Error, Subject: body.Subject}, nil
}

func (b *browser) login(ctx context.Context, home, user string) error {
	form := url.Values{"user": {user}, "device": {"Phone"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, home+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New("demo: login answered " + resp.Status)
	}
	return nil
}

func newBrowser(home string, cookies []*http.Cookie) (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(home)
	if err != nil {
		return nil, err
	}
	jar.SetCookies(u, cookies)
	return &browser{client: &http.Client{Jar: jar, Timeout: 5 * time.Second}, used: time.Now()}, nil
}

// keep stores a browser under a random id, which only the page that asked for it learns.
func (s *stage) keep(b *browser) (id string) {
	id = rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.browsers) >= maxBrowsers {
		oldest := ""
		for id, b := range s.browsers {
			if oldest == "" || b.used.Before(s.browsers[oldest].used) {
				oldest = id
			}
		}
		delete(s.browsers, oldest)
	}
	s.browsers[id] = b
	return id
}

func (s *stage) find(id string) *browser {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.browsers[id]
	if b != nil {
		b.used = time.Now()
	}
	return b
}
