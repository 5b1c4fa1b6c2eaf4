// Package demo runs several replicas of a small application behind one port, so that one can watch a session be served by any of them,
// and be refused by all of them once it was revoked.
//
// The replicas share what real ones would share, a key ring and the store of the revocation list, and nothing else: each has its own
// list, its own manager and its own counters. [Open] prepares everything below one folder, [Demo.Serve] serves until its context ends.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/keys"
)

// MaxReplicas bounds Config.Replicas: each polls the store five times a second.
const MaxReplicas = 32

// Config of a demo.
type Config struct {
	// Addr to listen on, host and port. Zero: 127.0.0.1:8080.
	Addr string
	// AllowRemote permits an Addr that other machines can reach, over plain http. Zero: loopback only.
	AllowRemote bool
	// Replicas to run, at most MaxReplicas. Zero: 3.
	Replicas int
	// Dir keeps ring, key encryption key and list from one run to the next. It is made if it is not there. Zero: a temporary folder,
	// removed by Close.
	Dir string
	// Redis is the URL of a Redis that keeps ring and list in place of Dir, so that several demos serve each other's sessions. Zero: Dir.
	Redis string
	// KEK is what the ring in Redis is encrypted with.
	KEK keys.KEK
	// AdminToken for the API below /admin/. Zero: a random one.
	AdminToken string
	// Logger receives the audit log of the admin API and warnings. Zero: slog.Default().
	Logger *slog.Logger
}

// shutdownTime is how long requests in flight may take to end.
const shutdownTime = 5 * time.Second

// Demo is a running set of replicas. Its methods may be called from any goroutine.
type Demo struct {
	listener net.Listener
	server   *http.Server
	state    *state
	replicas []*replica
	token    string
}

// Open starts the replicas and listens; it returns when all of them are ready. ctx bounds opening only.
func Open(ctx context.Context, c Config) (*Demo, error) {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:8080"
	}
	if c.Replicas == 0 {
		c.Replicas = 3
	}
	if c.Replicas < 1 || c.Replicas > MaxReplicas {
		return nil, fmt.Errorf("%w: %d replicas, where 1 to %d are possible", ErrConfig, c.Replicas, MaxReplicas)
	}
	if c.Redis != "" && c.Dir != "" {
		return nil, fmt.Errorf("%w: ring and list are in a folder or in a Redis, not in both", ErrConfig)
	}
	if c.AdminToken == "" {
		c.AdminToken = rand.Text() + rand.Text()
	}
	if len(c.AdminToken) < admin.MinToken {
		return nil, fmt.Errorf("%w: the admin token has %d bytes, fewer than %d", ErrConfig, len(c.AdminToken), admin.MinToken)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	listener, err := listen(ctx, c.Addr, c.AllowRemote)
	if err != nil {
		return nil, err
	}
	d := &Demo{listener: listener, token: c.AdminToken}
	if err := d.start(ctx, c); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// listen refuses what other machines can reach unless that was asked for: cookies would cross the network in the clear.
func listen(ctx context.Context, addr string, allowRemote bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if ip, err := netip.ParseAddr(host); !allowRemote && host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%w: %s, and the demo speaks plain http", ErrRemote, addr)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return listener, nil
}

var (
	// ErrConfig: the configuration makes no sense.
	ErrConfig = errors.New("demo: unusable configuration")
	// ErrRemote: other machines can reach the address, and AllowRemote was not set. It wraps ErrConfig.
	ErrRemote = fmt.Errorf("%w: other machines can reach this address", ErrConfig)
)

func (d *Demo) start(ctx context.Context, c Config) (err error) {
	if d.state, err = openState(ctx, c); err != nil {
		return err
	}
	adminConfig := admin.Config{Token: c.AdminToken, Actor: "demo", Logger: c.Logger}
	for i := range c.Replicas {
		r, err := newReplica(ctx, i+1, d.state, adminConfig, c.Logger)
		if err != nil {
			return err
		}
		d.replicas = append(d.replicas, r)
	}
	front := newFront(d.replicas, d.state, "http://"+reachable(d.listener.Addr()))
	d.server = &http.Server{
		Handler:           front,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelWarn),
	}
	return nil
}

// reachable is where this process itself reaches a listener that may be bound to all addresses.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// URL is where the demo is served.
func (d *Demo) URL() string { return "http://" + reachable(d.listener.Addr()) }

// Replicas is how many there are.
func (d *Demo) Replicas() int { return len(d.replicas) }

// AdminToken is what the API below /admin/ asks for.
func (d *Demo) AdminToken() string { return d.token }

// Dir is where the demo keeps what outlives it, and whether Close removes it; "" if that is a Redis.
func (d *Demo) Dir() (path string, temporary bool) { return d.state.dir, d.state.temporary }

// Serve serves until ctx ends, lets requests in flight end and returns nil, or why it could not serve. It is called once.
func (d *Demo) Serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- d.server.Serve(d.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("demo: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := d.server.Shutdown(grace); err != nil {
		return fmt.Errorf("demo: some requests did not end: %w", errors.Join(err, d.server.Close()))
	}
	<-failed
	return nil
}

// Close stops the replicas and removes a temporary folder. It is called after Serve has returned, or in its stead.
func (d *Demo) Close() error {
	errs := []error{ignoreClosed(d.listener.Close())}
	for _, r := range d.replicas {
		errs = append(errs, r.list.Close())
	}
	if d.state != nil {
		errs = append(errs, d.state.close())
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
