package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/wafer-sessions/wafer/internal/adminapi"
)

// An adminClient calls the admin API of a running application.
type adminClient struct {
	base, token string
	http        http.Client
}

func (f *listFlags) adminClient() (*adminClient, error) {
	token, err := f.token()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(f.admin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, usagef("--admin is a URL such as http://127.0.0.1:8080/admin")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if u.Scheme == "http" {
		if !f.insecureHTTP && !loopback(u.Hostname()) {
			return nil, usagef("--admin %s: without https the token crosses the network in the clear; --insecure-http permits it", u.Redacted())
		}
		transport.Proxy = nil // it would read the token
	}
	c := &adminClient{base: strings.TrimRight(f.admin, "/"), token: token}
	c.http.Transport, c.http.Timeout = transport, openTime
	// A redirect would carry the token to wherever it points.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// call sends body as JSON, or GETs if it is nil, and reads the answer into to.
func (c *adminClient) call(ctx context.Context, path string, body, to any) error {
	method, content := http.MethodGet, []byte(nil)
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(content))
	if err != nil {
		return usageError{err}
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		problem := apiError{status: answer.Status}
		json.Unmarshal(b, &problem.Problem) // what is no problem document says nothing
		return problem
	}
	if err := json.Unmarshal(b, to); err != nil {
		return apiError{status: answer.Status}
	}
	return nil
}

// An apiError is what the admin API answered in place of what was asked for.
type apiError struct {
	status string
	adminapi.Problem
}

func (e apiError) Error() string {
	const where = "--admin is the address where the application has its admin API, such as http://127.0.0.1:8080/admin"
	switch e.Code {
	case "":
		return fmt.Sprintf("the server at --admin answered %s, and is not an admin API: %s", e.status, where)
	case "not_found":
		return fmt.Sprintf("the admin API answered %s: %s", e.status, where)
	case "unauthorized":
		return fmt.Sprintf("the admin API answered %s: its token is not the one in %s or --admin-token-file", e.status, adminTokenVariable)
	}
	return fmt.Sprintf("the admin API answered %s: %s", e.status, safe(e.Detail))
}
