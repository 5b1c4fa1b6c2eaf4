package httpmw_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// This file is the program behind docs/machines.md, whose snippets are copies of its lines: an MCP server that gives
// tokens to agents, and such an agent.

// accounts stands for the table of agents in the application's database.
type accounts struct {
	mu     sync.Mutex // owns agents
	agents map[string]agent
}

type agent struct {
	secret [sha256.Size]byte // the hash of a long random secret
	tenant string
	off    bool
}

// find returns the tenant of an agent that is not switched off and has this secret.
func (a *accounts) find(name, secret string) (tenant string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	hash, found := sha256.Sum256([]byte(secret)), a.agents[name]
	return found.tenant, subtle.ConstantTimeCompare(hash[:], found.secret[:]) == 1 && !found.off
}

// set switches agents off or on again.
func (a *accounts) set(off bool, which func(name string, a agent) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, one := range a.agents {
		if which(name, one) {
			one.off = off
			a.agents[name] = one
		}
	}
}

type machines struct {
	accounts *accounts
	sessions *httpmw.Manager[struct{}]
	list     *revocation.List
}

const tokenLifetime = 10 * time.Minute

func newMachines(ctx context.Context, ring keys.Source, store revlog.Store, a *accounts) (*machines, error) {
	list, err := revocation.Open(ctx, store, ring.Ring(), revocation.Config{})
	if err != nil {
		return nil, err
	}
	sessions, err := httpmw.New[struct{}](ring, list, httpmw.Config{
		App:    "mcp", // another audience than that of people's sessions
		Refuse: refuseBearer,
	})
	if err != nil {
		return nil, err
	}
	return &machines{a, sessions, list}, nil
}

func (m *machines) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", m.token)
	mux.Handle("POST /mcp", m.bearer(m.call))
	mux.Handle("GET /mcp", m.bearer(m.stream))
	return mux
}

// token gives a token to an agent that shows its secret (RFC 6749 §4.4).
func (m *machines) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	since := m.sessions.Now(r.Context()) // before the database is asked
	name, secret, _ := r.BasicAuth()
	tenant, ok := m.accounts.find(name, secret)
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_client"}`)
		return
	}
	token, err := m.sessions.Issue(r.Context(), httpmw.Identity{
		Subject: "agent:" + name,
		Groups:  []string{"tenant:" + tenant, "machines"},
		Since:   since,
	}, struct{}{}, tokenLifetime)
	if err != nil {
		m.sessions.Fail(w, r, err)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(tokenLifetime.Seconds())})
}

// bearer checks the token of every request.
func (m *machines) bearer(next func(http.ResponseWriter, *http.Request, *httpmw.Session[struct{}])) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			token = ""
		}
		s, err := m.sessions.Check(r.Context(), token)
		if err != nil {
			m.sessions.Fail(w, r, err) // 401, or 503 if it cannot be decided now
			return
		}
		next(w, r, s)
	})
}

// refuseBearer responds as RFC 6750 §3 and RFC 9728 §5.1 say. Every bad token looks the same.
func refuseBearer(w http.ResponseWriter, _ *http.Request, status int, err error) {
	if status == http.StatusUnauthorized {
		challenge := `Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource"`
		if !errors.Is(err, httpmw.ErrNoLogin) {
			challenge += `, error="invalid_token"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
}

func (m *machines) call(w http.ResponseWriter, _ *http.Request, s *httpmw.Session[struct{}]) {
	fmt.Fprintf(w, "called by %s", s.Subject())
}

// stream goes on until the client leaves or the agent is killed.
func (m *machines) stream(w http.ResponseWriter, r *http.Request, s *httpmw.Session[struct{}]) {
	ctx, cancel := s.Watch(r.Context())
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	<-ctx.Done() // and send what there is meanwhile
}

// killAgent ends all tokens of an agent, and gives it no more.
func (m *machines) killAgent(ctx context.Context, name string) error {
	m.accounts.set(true, func(n string, _ agent) bool { return n == name }) // first
	_, err := m.list.Revoke(ctx, revocation.Subject("agent:"+name), revocation.Options{})
	return err
}

// killTenant ends all tokens and sessions at a tenant.
func (m *machines) killTenant(ctx context.Context, tenant string) error {
	m.accounts.set(true, func(_ string, a agent) bool { return a.tenant == tenant })
	_, err := m.list.Revoke(ctx, revocation.Group("tenant:"+tenant), revocation.Options{})
	return err
}

// killAll ends all tokens of machines. People stay signed in.
func (m *machines) killAll(ctx context.Context) error {
	m.accounts.set(true, func(string, agent) bool { return true })
	_, err := m.list.Revoke(ctx, revocation.Group("machines"), revocation.Options{})
	return err
}

// A credential is the token of an agent. The next one is fetched when two thirds of its time have passed, so
// that the last third is left in which to try again.
type credential struct {
	fetch func(ctx context.Context) (token string, lifetime time.Duration, err error)

	mu        sync.Mutex // owns what follows
	token     string
	next, end time.Time
}

func (c *credential) get(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Before(c.next) {
		return c.token, nil
	}
	token, lifetime, err := c.fetch(ctx)
	switch {
	case err == nil:
		c.token, c.next, c.end = token, now.Add(lifetime*2/3), now.Add(lifetime)
	case now.Before(c.end): // the old one is still good
		c.next = now.Add(10 * time.Second)
	default:
		return "", err
	}
	return c.token, nil
}

// A sender adds the token to every request.
type sender struct {
	token func(context.Context) (string, error)
	next  http.RoundTripper
}

func (s sender) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := s.token(r.Context())
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return s.next.RoundTrip(r)
}

// fetcher asks a token endpoint.
func fetcher(client *http.Client, url, name, secret string) func(context.Context) (string, time.Duration, error) {
	return func(ctx context.Context) (string, time.Duration, error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("grant_type=client_credentials"))
		if err != nil {
			return "", 0, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(name, secret)
		res, err := client.Do(r)
		if err != nil {
			return "", 0, err
		}
		defer res.Body.Close()
		var answer struct {
			Token   string `json:"access_token"`
			Seconds int    `json:"expires_in"`
		}
		if res.StatusCode != http.StatusOK {
			return "", 0, fmt.Errorf("no token: %s", res.Status)
		}
		err = json.NewDecoder(res.Body).Decode(&answer)
		return answer.Token, time.Duration(answer.Seconds) * time.Second, err
	}
}

// fromFile reads the token for each request, from a file that another program replaces in time.
func fromFile(name string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		token, err := os.ReadFile(name)
		return strings.TrimSpace(string(token)), err
	}
}

// replaceFile never leaves half a token for a reader.
func replaceFile(name, token string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".token") // only its owner can read it
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(token)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// An agent fetches a token, calls an MCP server, and is killed.
func Example_machines() {
	all := &accounts{agents: map[string]agent{"invoices": {secret: sha256.Sum256([]byte("secret")), tenant: "7"}}}
	m, err := newMachines(exampleContext, keys.Static(keys.Generate(0)), revlog.NewMemory(), all)
	if err != nil {
		log.Fatal(err)
	}
	defer m.list.Close()
	server := httptest.NewServer(m.handler()) // of TLS, except in an example
	defer server.Close()

	token := &credential{fetch: fetcher(server.Client(), server.URL+"/token", "invoices", "secret")}
	client := &http.Client{Transport: sender{token.get, http.DefaultTransport}}
	call := func() {
		res, err := client.Post(server.URL+"/mcp", "application/json", strings.NewReader("{}"))
		if err != nil {
			log.Fatal(err)
		}
		res.Body.Close()
		fmt.Println(res.Status)
	}
	call()
	if err := m.killAgent(exampleContext, "invoices"); err != nil {
		log.Fatal(err)
	}
	call()

	// Output:
	// 200 OK
	// 401 Unauthorized
}
