package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

// A ringStore holds the bytes of a ring: a file, or a Redis.
type ringStore interface {
	// String says where, as in "the ring <where>".
	String() string
	// open opens the ring to read it once, or to change it once. Without a ring the error is a noRing.
	open(ctx context.Context) (openedRing, error)
	// create stores a ring where there is none. If there is one, the error is [fs.ErrExist].
	create(ctx context.Context, r *keys.Ring) error
	// or returns the store of a ring that may also be under that KEK.
	or(kek keys.KEK) ringStore
	// rewrap encrypts the ring under another KEK.
	rewrap(ctx context.Context, to keys.KEK) error
}

// An openedRing is a [keys.File] or a [rediskeys.Ring].
type openedRing interface {
	keys.Editor
	Close() error
}

// ringStore returns where the bytes of the ring are: in --file, or in the Redis of --redis.
func (f *listFlags) ringStore() (ringStore, error) {
	if f.ring.file == "" && f.redis == "" {
		return nil, usagef("which ring? Give --file FILE, or --redis URL for the ring in that Redis")
	}
	kek, err := f.ring.kek()
	if err != nil {
		return nil, err
	}
	if f.ring.file != "" {
		return fileRing{f.ring.file, kek}, nil
	}
	if _, err := redisstore.ParseURL(f.redis); err != nil {
		return nil, usageError{err}
	}
	if strings.ContainsAny(f.prefix, "{}") {
		return nil, usagef("--prefix must not contain braces")
	}
	return redisRing{f.redis, f.prefix, kek, f.ring.firstKEKFile(), f.allowVolatile}, nil
}

// openRing opens the ring in --file, or in the Redis of --redis.
func (f *listFlags) openRing(ctx context.Context) (openedRing, error) {
	store, err := f.ringStore()
	if err != nil {
		return nil, err
	}
	return store.open(ctx)
}

// A fileRing is a ring in a file.
type fileRing struct {
	path string
	kek  keys.KEK
}

func (f fileRing) String() string { return f.path }

func (f fileRing) open(ctx context.Context) (openedRing, error) {
	file, err := keys.OpenFile(ctx, f.path, f.kek, keys.FileConfig{
		Poll: time.Hour, PollOnly: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, f.failed(err)
	}
	return file, nil
}

func (f fileRing) create(ctx context.Context, r *keys.Ring) error {
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	return keys.CreateFile(ctx, f.path, f.kek, r)
}

func (f fileRing) or(kek keys.KEK) ringStore {
	f.kek = keys.KEKs(f.kek, kek)
	return f
}

func (f fileRing) rewrap(ctx context.Context, to keys.KEK) error {
	return f.failed(keys.RewrapFile(ctx, f.path, f.kek, to))
}

// failed says what to do about a ring that is missing.
func (f fileRing) failed(err error) error {
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, keys.ErrKEK) {
		return noRing("there is no ring " + f.path + "; 'wafer keys new' makes one")
	}
	return err
}

// A redisRing is a ring in Redis.
type redisRing struct {
	url           string // that ParseURL reads
	prefix        string
	kek           keys.KEK
	kekFile       string // that create creates; "": none
	allowVolatile bool
}

func (r redisRing) String() string { return "in Redis under the prefix " + r.prefix }

func (r redisRing) config() rediskeys.Config {
	return rediskeys.Config{Prefix: r.prefix, AllowVolatile: r.allowVolatile, Poll: time.Hour, Logger: slog.New(slog.DiscardHandler)}
}

func (r redisRing) open(ctx context.Context) (openedRing, error) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	o, err := redisstore.ParseURL(r.url)
	if err != nil {
		return nil, err
	}
	ring, err := rediskeys.Open(ctx, o, r.kek, r.config())
	if err != nil {
		return nil, r.failed(err)
	}
	return ring, nil
}

// create creates the file of the KEK, too, if that does not exist.
func (r redisRing) create(ctx context.Context, ring *keys.Ring) error {
	ctx, cancel := context.WithTimeout(ctx, createTime)
	defer cancel()
	there, err := r.open(ctx) // before a key is made that no ring needs
	_, missing := errors.AsType[noRing](err)
	switch {
	case err == nil:
		there.Close()
		return fs.ErrExist
	case errors.Is(err, keys.ErrKEK), errors.Is(err, keys.ErrDocument):
		return fs.ErrExist
	case !missing:
		return err
	}
	if r.kekFile != "" {
		if err := keys.CreateKEK(r.kekFile); err != nil {
			return err
		}
	}
	o, err := redisstore.ParseURL(r.url)
	if err != nil {
		return err
	}
	c := r.config()
	c.Poll = 0 // what replicas have that may put back a ring that Redis lost
	return r.failed(rediskeys.Create(ctx, o, r.kek, ring, c))
}

func (r redisRing) or(kek keys.KEK) ringStore {
	r.kek = keys.KEKs(r.kek, kek)
	return r
}

func (r redisRing) rewrap(ctx context.Context, to keys.KEK) error {
	o, err := redisstore.ParseURL(r.url)
	if err != nil {
		return err
	}
	return r.failed(rediskeys.Rewrap(ctx, o, r.prefix, r.kek, to))
}

// failed says what to do about a ring that is missing, and about a Redis that speaks no TLS.
func (r redisRing) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rediskeys.ErrMissing):
		return noRing(fmt.Sprintf("there is no ring in that Redis under the prefix %s; name the ring of the application with --file FILE, or make one with 'wafer keys new'", r.prefix))
	}
	if o, bad := redisstore.ParseURL(r.url); bad == nil {
		return withoutTLS(o.TLSConfig, o.Addrs, err)
	}
	return err
}

// A noRing says that there is no ring, and what to do about it.
type noRing string

func (e noRing) Error() string { return string(e) }
