package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/boltstore"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	openTime   = 10 * time.Second // to reach a store
	bootWindow = 10 * time.Minute // of the log, which a replica reads when it starts
)

// listFlags say where a revocation list is, and which ring it belongs to.
type listFlags struct {
	ring                 ringFlags
	redis, prefix        string
	bolt                 string
	admin                adminFlags
	allowVolatile, split bool
	audit                slog.Handler // of records of revocations; nil: the command makes none
}

func (f *listFlags) add(cmd *cobra.Command) {
	f.addRedis(cmd)
	cmd.Flags().StringVar(&f.bolt, "bolt", "", "`FILE` with the list, while no other process has it open")
	cmd.MarkFlagFilename("bolt")
	f.admin.add(cmd)
	f.ring.add(cmd)
}

// addStores is add without the admin API.
func (f *listFlags) addStores(cmd *cobra.Command) {
	f.add(cmd)
	hide(cmd, adminNames...)
}

// addFollowed is add for commands that need a list in Redis.
func (f *listFlags) addFollowed(cmd *cobra.Command) {
	f.addStores(cmd)
	hide(cmd, "bolt")
}

// hide leaves flags out of the help of cmd. They are still read, so that the command can say why they
// do not fit.
func hide(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().MarkHidden(name)
	}
}

func (f *listFlags) addRedis(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.redis, "redis", "", "`URL` of the Redis with the list: redis://, rediss://,\nredis+sentinel://host/name, redis+cluster://, unix:///path")
	flags.StringVar(&f.prefix, "prefix", "wafer", "`NAME` that the keys in Redis begin with")
	flags.BoolVar(&f.allowVolatile, "allow-volatile", false, "accept a Redis that forgets everything when it restarts")
	flags.BoolVar(&f.split, "allow-split", false, "accept Sentinel or Cluster without min-replicas-to-write")
	orVariable(cmd, "redis", "prefix")
}

func (f *listFlags) config() redisstore.Config {
	return redisstore.Config{Prefix: f.prefix, AllowVolatile: f.allowVolatile, AllowSplit: f.split}
}

// one checks that exactly one place is named.
func (f *listFlags) one() error {
	n := 0
	for _, s := range []string{f.redis, f.bolt, f.admin.url} {
		if s != "" {
			n++
		}
	}
	switch {
	case n == 1:
		return nil
	case n == 2 && f.redis == os.Getenv(variables["redis"]) && f.admin.url == os.Getenv(variables["admin"]):
		return usagef("%s and %s are both set: choose with --redis URL or --admin URL", variables["redis"], variables["admin"])
	}
	return usagef("where is the list? Give one of --redis URL, --bolt FILE and --admin URL")
}

// An openedList is a list, and what must be closed with it.
type openedList struct {
	*revocation.List
	store revlog.Store
	close []func() error
}

func (o *openedList) Close() (err error) {
	for i := len(o.close) - 1; i >= 0; i-- {
		err = errors.Join(err, o.close[i]())
	}
	return err
}

// store opens the store without joining the list in it.
func (f *listFlags) store(ctx context.Context) (revlog.Store, func() error, error) {
	if f.bolt != "" {
		if _, err := os.Stat(f.bolt); err != nil {
			return nil, nil, fmt.Errorf("there is no list %s", f.bolt)
		}
		s, err := boltstore.Open(f.bolt)
		if err != nil {
			return nil, nil, err
		}
		return s, s.Close, nil
	}
	o, err := redisstore.ParseURL(f.redis)
	if err != nil {
		return nil, nil, usageError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	s, err := redisstore.Open(ctx, o, f.config())
	if err != nil {
		return nil, nil, withoutTLS(o.TLSConfig, o.Addrs, err)
	}
	return s, s.Close, nil
}

var errDamaged = errors.New("the list is lost or damaged; applications that read it begin a new one")

var errNoList = errors.New("there is no list there; start an application, or begin one with 'wafer revocations init'")

// ringIfGiven is readRing for commands that can do without a ring. It returns nil if none is given.
func (f *listFlags) ringIfGiven(ctx context.Context) (*keys.Ring, error) {
	if f.ring.file == "" && (f.redis == "" || !f.ring.namesKEK() && os.Getenv(kekVariable) == "") {
		return nil, nil
	}
	ring, err := f.readRing(ctx)
	if _, missing := errors.AsType[noRing](err); missing && f.ring.file == "" {
		return nil, nil
	}
	return ring, err
}

// noList says what to do about a store that has no list, or a damaged one.
func noList(err error) error {
	why, damaged := strings.CutPrefix(err.Error(), revlog.ErrLost.Error()+": ")
	switch {
	case !errors.Is(err, revlog.ErrLost):
		return err
	case damaged && why != "head is gone":
		return fmt.Errorf("%w: %s", errDamaged, why)
	}
	return errNoList
}

// exists reports whether the store holds a list.
func exists(ctx context.Context, s revlog.Store) error {
	_, err := s.Read(ctx, revlog.Cursor{Limit: 1})
	switch {
	case errors.Is(err, revlog.ErrLost):
		return noList(err)
	case err == nil || errors.Is(err, revlog.ErrOtherList):
		return nil
	}
	return err
}

// open joins the list. It begins one only if begin says so: after a mistyped address, a revocation in a
// new list would look like a success.
func (f *listFlags) open(ctx context.Context, maxIdle time.Duration, begin bool) (*openedList, error) {
	ring, err := f.readRing(ctx)
	if err != nil {
		return nil, err
	}
	s, closeStore, err := f.store(ctx)
	if err != nil {
		return nil, err
	}
	o := &openedList{store: s, close: []func() error{closeStore}}
	if !begin {
		if err := exists(ctx, s); err != nil {
			o.Close()
			return nil, err
		}
	}
	opening, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	o.List, err = revocation.Open(opening, s, ring, revocation.Config{
		MaxIdle: maxIdle, Logger: slog.New(slog.DiscardHandler), Audit: f.audit,
		Observer: true,
	})
	if err != nil {
		o.Close()
		return nil, err
	}
	o.close = append(o.close, o.List.Close)
	return o, nil
}

// readRing reads the ring from --file, or from the Redis that has the list.
func (f *listFlags) readRing(ctx context.Context) (*keys.Ring, error) {
	opened, err := f.openRing(ctx)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	return opened.Ring(), nil
}

// withoutTLS adds to err if a Redis that did not answer with TLS answers without.
func withoutTLS(c *tls.Config, addrs []string, err error) error {
	if c == nil || len(addrs) == 0 {
		return err
	}
	conn, dialed := net.DialTimeout("tcp", addrs[0], time.Second)
	if dialed != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	answer := make([]byte, 5)
	io.WriteString(conn, "PING\r\n")
	if _, read := io.ReadFull(conn, answer); read == nil && (string(answer) == "+PONG" || string(answer) == "-NOAU") {
		return fmt.Errorf("%s does not speak TLS: use redis:// in place of rediss:// (%w)", addrs[0], err)
	}
	return err
}
