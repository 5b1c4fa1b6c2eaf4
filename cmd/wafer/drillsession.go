package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/internal/adminapi"
)

const (
	askEvery = 20 * time.Millisecond
	// quietFor is how long no replica may have accepted the session before the drill believes it.
	quietFor = time.Second
)

// A drillSession is a session that the drill shows to every replica, as it was sealed at first: it takes
// no renewal.
type drillSession struct {
	client http.Client
	urls   []string
	cookie string // the Cookie header; "": not signed in yet
	demo   bool

	mu       sync.Mutex // owns replicas
	replicas map[string]*drillAnswers
}

// drillAnswers are what one replica answered. Of an acceptance counts when the replica was asked, of a
// refusal when the answer came, so a measured time is never shorter than the real one.
type drillAnswers struct {
	accepted, refused time.Time // last accepted; first refused after that, zero if it accepted since
	status            int
}

func newDrillSession(f *keyDrill) (*drillSession, error) {
	s := &drillSession{demo: f.cookieFile == "", replicas: map[string]*drillAnswers{}}
	for _, raw := range f.urls {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
			return nil, usagef("--url is not a URL such as http://127.0.0.1:8080")
		}
		if u.Scheme == "http" && !f.admin.insecureHTTP && !loopback(u.Hostname()) {
			return nil, usagef("--url %s: without https the session crosses the network in the clear; --insecure-http permits it", u.Redacted())
		}
		s.urls = append(s.urls, strings.TrimRight(raw, "/"))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	roots, err := f.admin.roots()
	if err != nil {
		return nil, err
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	transport.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "http" { // a proxy would read the session
			return nil, nil
		}
		return http.ProxyFromEnvironment(r)
	}
	s.client.Transport, s.client.Timeout = transport, openTime
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if f.cookieFile != "" {
		text, err := readPrivate(f.cookieFile, "the cookies of a session")
		if err != nil {
			return nil, err
		}
		if name, value, ok := strings.Cut(text, ":"); ok && strings.EqualFold(name, "cookie") {
			text = strings.TrimSpace(value)
		}
		s.cookie = text
	}
	return s, nil
}

// begin signs in at a demo, and asks until every replica has accepted the session.
func (s *drillSession) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	if s.demo {
		if err := s.signIn(ctx); err != nil {
			return err
		}
	}
	for _, u := range s.urls {
		want := 1
		if s.demo {
			var err error
			if want, err = s.demoReplicas(ctx, u); err != nil {
				return err
			}
		}
		before := len(s.names())
		for len(s.names()) < before+want {
			name, accepted, status, err := s.ask(ctx, u)
			switch {
			case err != nil:
				return fmt.Errorf("%s: %w", u, err)
			case !accepted:
				return fmt.Errorf("%s does not accept the session: it answered %d", u, status)
			}
			s.note(name, true, true, status, time.Now(), time.Now())
			time.Sleep(askEvery) // the demo chooses the replica
		}
	}
	return nil
}

// signIn signs in as everybody may at a demo.
func (s *drillSession) signIn(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.urls[0]+"/login", strings.NewReader("user=drill"))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	answer.Body.Close()
	var cookies []string
	for _, c := range answer.Cookies() {
		if c.Value != "" {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
	}
	if answer.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%s answered %s to a login; run the drill again when it signs in", s.urls[0], answer.Status)
	}
	if len(cookies) == 0 {
		return fmt.Errorf("%s answered %s to a login and set no cookie. It is not a demo; for another application give --cookie-file", s.urls[0], answer.Status)
	}
	s.cookie = strings.Join(cookies, "; ")
	return nil
}

// demoReplicas returns how many replicas a demo has.
func (s *drillSession) demoReplicas(ctx context.Context, u string) (int, error) {
	var all struct{ Replicas []json.RawMessage }
	_, b, err := s.get(ctx, u+"/api/replicas")
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil || len(all.Replicas) == 0 {
		return 0, errors.Join(fmt.Errorf("%s is not a demo", u), err)
	}
	return len(all.Replicas), nil
}

func (s *drillSession) get(ctx context.Context, u string) (status int, body []byte, _ error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Cookie", s.cookie)
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, body, err
}

// ask shows the session to the replica that u leads to, and returns the name of that replica.
func (s *drillSession) ask(ctx context.Context, u string) (name string, accepted bool, status int, _ error) {
	page := u
	if s.demo {
		page += "/api/session"
	}
	status, body, err := s.get(ctx, page)
	name = u
	if s.demo && err == nil {
		var answer struct{ Replica int }
		if err = json.Unmarshal(body, &answer); err == nil {
			name = fmt.Sprint(answer.Replica)
			if len(s.urls) > 1 {
				name = u + " " + name
			}
		}
	}
	return name, status >= 200 && status < 300, status, err
}

// refuses reports whether a status says that there is no session. Others say nothing, such as 503.
func refuses(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status >= 300 && status < 400
}

// watch asks all replicas again and again until ctx ends.
func (s *drillSession) watch(ctx context.Context) {
	for _, u := range s.urls {
		go func() {
			for ctx.Err() == nil {
				asked := time.Now()
				if name, accepted, status, err := s.ask(ctx, u); err == nil {
					s.note(name, accepted, accepted || refuses(status), status, asked, time.Now())
				}
				select {
				case <-ctx.Done():
				case <-time.After(askEvery):
				}
			}
		}()
	}
}

// note keeps what a replica answered. certain: the answer says whether there is a session.
func (s *drillSession) note(name string, accepted, certain bool, status int, asked, answered time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.replicas[name]
	if a == nil {
		a = &drillAnswers{}
		s.replicas[name] = a
	}
	a.status = status
	switch {
	case !certain:
	case accepted:
		a.accepted, a.refused = asked, time.Time{}
	case a.refused.IsZero():
		a.refused = answered
	}
}

// names returns the replicas that have answered.
func (s *drillSession) names() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.replicas {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// awaitRefusals waits until every replica has refused the session for some time.
func (s *drillSession) awaitRefusals(ctx context.Context) {
	for !s.refused(time.Now()) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(askEvery):
		}
	}
}

func (s *drillSession) refused(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.replicas {
		if a.refused.IsZero() || now.Sub(a.refused) < quietFor {
			return false
		}
	}
	return true
}

// report fills in what the replicas answered. It returns those that refused before they were to, and
// those that did not refuse.
func (s *drillSession) report(asked time.Time, r *drillReport) (early, late []string) {
	since := func(t time.Time) *float64 {
		if t.Before(asked) {
			return nil
		}
		d := t.Sub(asked).Seconds()
		return &d
	}
	all, names := 0.0, s.names()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		a := s.replicas[name]
		p := drillReplica{Name: name, Accepted: since(a.accepted), Refused: since(a.refused), Status: a.status}
		switch {
		case p.Refused != nil:
			all = max(all, *p.Refused)
		case a.refused.IsZero():
			late = append(late, name)
		default:
			early = append(early, name)
		}
		r.Replicas = append(r.Replicas, p)
	}
	if len(early)+len(late) == 0 {
		r.Seconds = &all
	}
	return early, late
}

// sealedBy returns the key of d that sealed the session.
func (s *drillSession) sealedBy(d adminapi.Ring) (kid string, ok bool) {
	cookies, err := http.ParseCookie(s.cookie)
	if err != nil {
		return "", false
	}
	for _, c := range cookies {
		if in := inspectHeader(c.Value); in.Kind == "session" {
			if k, known := d.Key(in.kid); known {
				return k.ID, true
			}
		}
	}
	return "", false
}

func nameList(names []string) string {
	for i := range names {
		names[i] = safe(names[i])
	}
	return strings.Join(names, ", ")
}
