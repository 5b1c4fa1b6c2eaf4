// Package demo runs several replicas of a small application behind one port. Any of them serves a
// session, and all of them refuse it once it is revoked.
//
// The replicas share what real ones share, a key ring and the store of the revocation list, and
// nothing else: each has its own list, manager and counters. [Open] prepares everything in one folder,
// and [Demo.Serve] serves until its context ends.
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
	"github.com/wafer-sessions/wafer/internal/secrets"
	"github.com/wafer-sessions/wafer/keys"
)

// MaxReplicas bounds Config.Replicas: each polls the store five times a second.
const MaxReplicas = 32

// Config configures a demo.
type Config struct {
	// Addr to listen on, host and port. Zero: 127.0.0.1:8080.
	Addr string
	// AllowRemote permits an Addr that other machines can reach, over plain http. Zero: loopback only.
	AllowRemote bool
	// Replicas to run, at most MaxReplicas. Zero: 3.
	Replicas int
	// Dir is the folder that keeps ring, key encryption key and list from one run to the next. Open
	// makes it if needed. Zero: a temporary folder, which Close removes.
	Dir string
	// Redis is the URL of a Redis that keeps ring and list in place of Dir, so that several demos
	// serve each other's sessions. Zero: Dir.
	Redis string
	// KEK is what the ring in Redis is encrypted with.
	KEK keys.KEK
	// AdminToken is the token of the API below /admin/. Zero: a random one.
	AdminToken string
	// Logger receives the audit log of the admin API and warnings. Zero: slog.Default().
	Logger *slog.Logger
}

// shutdownTime is how long requests in flight may take to end.
const shutdownTime = 5 * time.Second

// Demo is a running set of replicas. It is safe for concurrent use.
type Demo struct {
	listener net.Listener
	server   *http.Server
	state    *state
	replicas []*replica
	token    string
}

// Open starts the replicas and listens. It returns when all of them are ready. ctx bounds Open only.
func Open(ctx context.Context, c Config) (*Demo, error) {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:8080"
	}
	if c.Replicas == 0 {
		c.Replicas = 3
	}
	if c.Replicas < 1 || c.Replicas > MaxReplicas {
		return nil, fmt.Errorf("%w: Replicas is %d and must be 1 to %d", ErrConfig, c.Replicas, MaxReplicas)
	}
	if c.Redis != "" && c.Dir != "" {
		return nil, fmt.Errorf("%w: Dir and Redis are both set; choose one", ErrConfig)
	}
	if c.AdminToken == "" {
		c.AdminToken = rand.Text() + rand.Text()
	}
	if err := secrets.Check(c.AdminToken); err != nil {
		return nil, fmt.Errorf("%w: the admin token %w", ErrConfig, err)
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

// listen listens on addr. Unless allowRemote is set it refuses an address that other machines can
// reach, because cookies would cross the network in the clear.
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
	// ErrConfig: the configuration cannot be used.
	ErrConfig = errors.New("demo: unusable configuration")
	// ErrRemote: other machines can reach the address, and AllowRemote is not set. It wraps ErrConfig.
	ErrRemote = fmt.Errorf("%w: other machines can reach this address", ErrConfig)
)

func (d *Demo) start(ctx context.Context, c Config) (err error) {
	if d.state, err = openState(ctx, c); err != nil {
		return err
	}
	adminConfig := admin.Config{Token: c.AdminToken, Actor: "demo"}
	for i := range c.Replicas {
		r, err := newReplica(ctx, i+1, d.state, adminConfig, c.Logger)
		if err != nil {
			return err
		}
		d.replicas = append(d.replicas, r)
	}
	metrics, err := newMetrics(d.replicas, d.state)
	if err != nil {
		return err
	}
	front := newFront(d.replicas, d.state, metrics, "http://"+reachable(d.listener.Addr()))
	d.server = &http.Server{
		Handler:           front,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(c.Logger.Handler(), slog.LevelWarn),
	}
	for _, r := range d.replicas {
		d.server.RegisterOnShutdown(r.list.Replica().EndStreams) // httpmw.Shutdown does that for one replica
	}
	return nil
}

// reachable returns the address at which this process reaches a listener on addr.
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

// URL returns where the demo is served.
func (d *Demo) URL() string { return "http://" + reachable(d.listener.Addr()) }

// Replicas returns how many replicas there are.
func (d *Demo) Replicas() int { return len(d.replicas) }

// AdminToken returns the token of the API below /admin/.
func (d *Demo) AdminToken() string { return d.token }

// Dir returns the folder with ring and list, "" if they are in a Redis, and whether Close removes it.
func (d *Demo) Dir() (path string, temporary bool) { return d.state.dir, d.state.temporary }

// Serve serves until ctx ends. Then it waits for requests in flight and returns nil. Call it once.
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
		return fmt.Errorf("demo: some requests did not end in time: %w", errors.Join(err, d.server.Close()))
	}
	<-failed
	return nil
}

// Close stops the replicas and removes a temporary folder. Call it after Serve has returned, or
// without having called Serve.
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
