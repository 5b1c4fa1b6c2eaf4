package backchannel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// then they are fetched again, so that a withdrawn key disappears
	keysFresh    = 15 * time.Minute
	keysStale    = 24 * time.Hour   // how long they are used while the provider does not answer
	fetchEvery   = 10 * time.Second // least time between two attempts
	fetchTimeout = 5 * time.Second  // of one attempt, discovery included
	maxDocument  = 512 << 10        // bytes of a discovery document or a JWK Set
	maxRedirects = 3
)

var (
	errProvider = errors.New("backchannel: the provider's keys are not available")
	errTooSoon  = fmt.Errorf("%w: last fetch was less than 10 s ago", errProvider)
)

// A provider holds the keys of one issuer.
type provider struct {
	issuer, jwks string // jwks "": discovered at each fetch, so that it may move
	insecure     bool
	client       *http.Client
	log          *slog.Logger

	successes, failures atomic.Uint64 // of fetches

	mu      sync.Mutex // owns the fields below; not held during network calls
	keys    []key      // immutable
	fetched time.Time  // when keys were received; zero: never
	tried   time.Time  // when an attempt last began
	running chan struct{}
	err     error // of the last attempt
}

func newProvider(c Config) *provider {
	client := new(http.Client)
	if c.HTTPClient != nil {
		*client = *c.HTTPClient
	}
	client.CheckRedirect = sameHost
	client.Jar = nil
	return &provider{issuer: c.Issuer, jwks: c.JWKSURL, insecure: c.InsecureHTTP, client: client, log: c.Logger}
}

// sameHost prevents an open redirect at the provider from letting another host choose the keys.
func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if next.URL.Host != first.Host || next.URL.Scheme != first.Scheme || len(via) > maxRedirects {
		return errors.New("backchannel: redirect to another host, or too many redirects")
	}
	return nil
}

// key returns the key that a token names. If the token has no kid, exactly one key must fit; keys
// are never tried one after another. The error is reasonUnknownKey if the provider was asked just
// now and has no such key, and errProvider if it could not be asked.
func (p *provider) key(ctx context.Context, alg, kid string) (key, error) {
	k, found, age := p.held(alg, kid)
	if found && age < keysFresh {
		return k, nil
	}
	err := p.refresh(ctx)
	if k, found, age = p.held(alg, kid); found && age < keysStale {
		// perhaps a previous key: logout must work while the provider cannot be reached
		return k, nil
	}
	if err != nil {
		return key{}, err
	}
	return key{}, reasonUnknownKey
}

// held looks the key up among those already fetched.
func (p *provider) held(alg, kid string) (k key, found bool, age time.Duration) {
	p.mu.Lock()
	keys, fetched := p.keys, p.fetched
	p.mu.Unlock()
	n := 0
	for i := range keys {
		if keys[i].fits(alg) && (kid == "" || keys[i].kid == kid) {
			k = keys[i]
			n++
		}
	}
	return k, n == 1, time.Since(fetched)
}

// refresh fetches the keys. One caller fetches while the others wait for it, at most once per
// fetchEvery: the sender of a token chooses the kid.
func (p *provider) refresh(ctx context.Context) error {
	p.mu.Lock()
	if running := p.running; running != nil {
		p.mu.Unlock()
		select {
		case <-running:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errProvider, ctx.Err())
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.err
	}
	if !p.tried.IsZero() && time.Since(p.tried) < fetchEvery {
		p.mu.Unlock()
		return errTooSoon
	}
	running := make(chan struct{})
	p.tried, p.running = time.Now(), running
	p.mu.Unlock()

	// This runs even if the client's transport panics. Otherwise all later callers would wait
	// forever.
	err := errProvider
	var keys []key
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if err == nil {
			p.keys, p.fetched = keys, time.Now()
		}
		p.err, p.running = err, nil
		close(running)
	}()
	// The fetch continues if this caller goes away, since others wait for it.
	fetching, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	if keys, err = p.fetch(fetching); err == nil {
		p.successes.Add(1)
	} else {
		p.failures.Add(1)
		p.log.LogAttrs(ctx, slog.LevelWarn, "backchannel: cannot fetch the provider's keys",
			slog.String("issuer", p.issuer), slog.String("error", err.Error()))
		err = fmt.Errorf("%w: %w", errProvider, err)
	}
	return err
}

func (p *provider) fetch(ctx context.Context) ([]key, error) {
	from := p.jwks
	if from == "" {
		// OpenID Connect Discovery 1.0 section 4.1: a trailing slash of the issuer is removed
		// first.
		document, err := p.get(ctx, strings.TrimSuffix(p.issuer, "/")+"/.well-known/openid-configuration")
		if err != nil {
			return nil, err
		}
		var found struct {
			Issuer  string `json:"issuer"`
			JWKSURI string `json:"jwks_uri"`
		}
		if json.Unmarshal(document, &found) != nil || found.Issuer != p.issuer {
			return nil, errors.New("backchannel: the discovery document names another issuer")
		}
		if err := checkURL(found.JWKSURI, p.insecure); err != nil {
			return nil, err
		}
		// Otherwise a provider could make this machine ask services that listen only locally.
		if onThisMachine(found.JWKSURI) && !onThisMachine(p.issuer) {
			return nil, errors.New("backchannel: the discovery document puts the keys on this machine, but the issuer is elsewhere")
		}
		from = found.JWKSURI
	}
	document, err := p.get(ctx, from)
	if err != nil {
		return nil, err
	}
	return parseKeys(document)
}

func (p *provider) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("backchannel: the provider answered with status %d", resp.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err == nil && len(document) > maxDocument {
		err = errors.New("backchannel: the provider's document is too long")
	}
	return document, err
}
