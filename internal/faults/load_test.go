package faults

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	browsers = 60
	people   = 40
	tenants  = 12
	workers  = 5                     // for each process
	pauseFor = 60 * time.Millisecond // between two requests of a worker, on average
)

// A browser keeps the cookies of one user, who does one thing at a time.
type browser struct {
	mu      sync.Mutex // owns the fields below
	user    string
	cookies map[string]string
	session string
}

// A thief has copies of cookies, which are never renewed.
type thief struct {
	session string
	cookies map[string]string
}

// load is the browsers, thieves and administrator that use the application.
type load struct {
	w        *world
	browsers []*browser

	mu      sync.Mutex // owns the fields below
	thieves []thief
	copied  map[string]bool

	done chan struct{}
	wg   sync.WaitGroup
}

func newLoad(w *world) *load {
	l := &load{w: w, copied: map[string]bool{}, done: make(chan struct{})}
	for i := range browsers {
		l.browsers = append(l.browsers, &browser{user: "user" + strconv.Itoa(i%people), cookies: map[string]string{}})
	}
	for _, p := range w.apps {
		l.serve(p)
	}
	return l
}

// serve starts to use a process.
func (l *load) serve(p *process) {
	for range workers {
		l.wg.Go(func() {
			for {
				select {
				case <-l.done:
					return
				case <-time.After(rand.N(2 * pauseFor)):
				}
				l.act(p)
			}
		})
	}
}

func (l *load) stop() {
	close(l.done)
	l.wg.Wait()
}

// act does one thing at random.
func (l *load) act(p *process) {
	b := l.browsers[rand.N(len(l.browsers))]
	switch n := rand.N(1000); {
	case n < 300:
		l.steal(p)
	case n < 330:
		l.revoke(p)
	default:
		if !b.mu.TryLock() {
			return
		}
		defer b.mu.Unlock()
		if b.session == "" || n < 345 {
			l.login(p, b)
			return
		}
		switch {
		case n < 700:
			l.visit(p, b, "GET", "/me")
		case n < 790:
			l.visit(p, b, "GET", "/fresh")
		case n < 870:
			l.visit(p, b, "POST", "/write")
		case n < 910:
			l.switches(p, b)
		case n < 930:
			l.others(p, b)
		default:
			l.logout(p, b)
		}
	}
}

// list chooses one of the lists of a process.
func (p *process) anyList() int { return rand.N(p.set.Lists) }

func tenant() string { return "tenant" + strconv.Itoa(rand.N(tenants)) }

// login begins a session, perhaps over another one.
func (l *load) login(p *process, b *browser) {
	groups := []string{tenant()}
	form := url.Values{"user": {b.user}, "group": groups}
	sent := l.w.now()
	status, body, set := p.call("POST", "/login?"+form.Encode(), p.anyList(), b.cookies)
	recv := l.w.now()
	if b.session != "" {
		l.ends("session", b.session, p, sent, status)
	}
	if status != http.StatusOK {
		if b.session == "" {
			l.w.addLogin(login{b.user, groups, p.number, sent, recv, status, body.Error})
		}
		return
	}
	l.w.addSession(&session{id: body.ID, subject: b.user, groups: groups, by: p.number, sent: sent, begun: recv})
	b.session = body.ID
	l.keep(b, set)
}

// keep stores the cookies of an answer, and lets a thief copy them now and then.
func (l *load) keep(b *browser, set []*http.Cookie) {
	for _, c := range set {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.copied[b.session] || rand.N(4) == 0 && len(set) > 0 {
		copied := map[string]string{}
		for name, value := range b.cookies {
			copied[name] = value
		}
		l.thieves = append(l.thieves, thief{b.session, copied})
		l.copied[b.session] = true
	}
}

// visit sends a request that changes at most the data of the session.
func (l *load) visit(p *process, b *browser, method, path string) {
	q := request{session: b.session, by: p.number, kind: path, sent: l.w.now()}
	status, body, set := p.call(method, path, p.anyList(), b.cookies)
	q.recv, q.status, q.err = l.w.now(), status, body.Error
	l.w.addRequest(q)
	switch status {
	case http.StatusOK:
		l.keep(b, set)
	case http.StatusUnauthorized:
		b.session, b.cookies = "", map[string]string{}
	}
}

// steal uses a cookie that was copied, often a recent one.
func (l *load) steal(p *process) {
	l.mu.Lock()
	if len(l.thieves) == 0 {
		l.mu.Unlock()
		return
	}
	i := rand.N(len(l.thieves))
	if rand.N(2) == 0 {
		i = max(0, len(l.thieves)-1-rand.N(60))
	}
	t := l.thieves[i]
	l.mu.Unlock()
	path := "/me"
	if rand.N(4) == 0 {
		path = "/fresh"
	}
	l.ask(p, p.anyList(), t, path, false)
}

// ask sends a copied cookie to a process.
func (l *load) ask(p *process, list int, t thief, path string, last bool) int {
	q := request{session: t.session, by: p.number, kind: path, sent: l.w.now(), last: last}
	status, body, _ := p.call("GET", path, list, t.cookies)
	q.recv, q.status, q.err = l.w.now(), status, body.Error
	l.w.addRequest(q)
	return status
}

// continues notes that a session goes on under another id.
func (l *load) continues(b *browser, s *session, set []*http.Cookie) {
	l.w.addSession(s)
	b.session = s.id
	l.keep(b, set)
}

func (l *load) switches(p *process, b *browser) {
	old := l.w.session(b.session)
	groups := []string{tenant()}
	sent := l.w.now()
	status, body, set := p.call("POST", "/switch?"+url.Values{"group": groups}.Encode(), p.anyList(), b.cookies)
	recv := l.w.now()
	l.w.addRequest(request{session: old.id, by: p.number, sent: sent, recv: recv, status: status, err: body.Error, kind: "/switch", into: groups[0]})
	switch status {
	case http.StatusOK:
		s := *old
		s.id, s.groups, s.parent, s.switched = body.ID, groups, old.id, sent
		if !slices.Contains(old.groups, groups[0]) || slices.Contains(old.joined, groups[0]) {
			s.joined = groups
		}
		l.ends("session", old.id, p, sent, status).successor = s.id
		l.continues(b, &s, set)
	case http.StatusUnauthorized: // the old session or the group is revoked: nothing changed
		b.session, b.cookies = "", map[string]string{}
	default:
		l.ends("session", old.id, p, sent, status)
	}
}

func (l *load) others(p *process, b *browser) {
	old := l.w.session(b.session)
	sent := l.w.now()
	status, body, set := p.call("POST", "/others", p.anyList(), b.cookies)
	recv := l.w.now()
	l.w.addRequest(request{session: old.id, by: p.number, sent: sent, recv: recv, status: status, err: body.Error, kind: "/others"})
	if status == http.StatusUnauthorized {
		b.session, b.cookies = "", map[string]string{}
		return
	}
	one := l.ends("session", old.id, p, sent, status)
	all := l.ends("subject", old.subject, p, sent, status)
	if status == http.StatusOK {
		s := *old
		s.id, s.parent, s.switched, s.sent, s.begun, s.by = body.ID, old.id, sent, sent, recv, p.number
		one.successor, all.successor = s.id, s.id
		l.continues(b, &s, set)
	}
}

func (l *load) logout(p *process, b *browser) {
	sent := l.w.now()
	status, _, _ := p.call("POST", "/logout", p.anyList(), b.cookies)
	l.ends("session", b.session, p, sent, status)
	b.session, b.cookies = "", map[string]string{}
}

// revoke makes a revocation of the administrator.
func (l *load) revoke(p *process) {
	scope, id := "session", ""
	switch n := rand.N(100); {
	case n < 60:
		l.mu.Lock()
		if len(l.thieves) > 0 {
			id = l.thieves[max(0, len(l.thieves)-1-rand.N(80))].session
		}
		l.mu.Unlock()
		if id == "" {
			return
		}
	case n < 90:
		scope, id = "subject", "user"+strconv.Itoa(rand.N(people))
	case n < 99 || !l.w.everyone.Load():
		scope, id = "group", tenant()
	default:
		scope = "everyone"
	}
	l.revokeOne(p, p.anyList(), scope, id)
}

// revokeOne revokes, and reports whether the revocation was acknowledged.
func (l *load) revokeOne(p *process, list int, scope, id string) bool {
	sent := l.w.now()
	status, _, _ := p.call("POST", "/revoke?"+url.Values{"scope": {scope}, "id": {id}}.Encode(), list, nil)
	l.ends(scope, id, p, sent, status)
	return status == http.StatusOK
}

// ends notes a request to end sessions, which has just been answered.
func (l *load) ends(scope, id string, p *process, sent time.Duration, status int) *ending {
	e := &ending{scope: scope, id: id, by: p.number, sent: sent, recv: l.w.now(), acked: status == http.StatusOK, unanswered: status == noAnswer}
	if status != notSent {
		l.w.addRevocation(e)
	}
	return e
}
