package keys

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/internal/lograte"
)

// Refresh implements [Source]. It reads the file. It asks for the KEK, and derives the key from a
// passphrase, only if the bytes of the file changed.
func (f *File) Refresh(ctx context.Context) error {
	if f.closed() {
		return ErrClosed
	}
	last, now := f.looked.Load(), f.now()
	if last != 0 && now-last < int64(refreshGap) || !f.looked.CompareAndSwap(last, now) {
		return f.next.Wait(ctx, func() {
			select {
			case f.poke <- struct{}{}:
			default: // already asked
			}
		})
	}
	return f.look(ctx)
}

// follow reads the file when the system reports a change, when Refresh asks, and from time to time.
func (f *File) follow(ctx context.Context, w *watcher) {
	defer w.close()
	defer f.next.Close(ErrClosed)
	poll := time.NewTicker(f.conf.Poll)
	defer poll.Stop()
	var due <-chan time.Time // nil: no read is due
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.events:
			if !ok {
				w.events = nil
			} else if due == nil && w.concerns(e) {
				due = time.After(settle)
			}
			continue
		case _, ok := <-w.errors: // the queue overflowed: read
			if !ok {
				w.errors = nil
			}
		case <-f.poke:
			if due == nil {
				due = time.After(max(refreshGap-time.Duration(f.now()-f.looked.Load()), 0))
			}
			continue
		case <-due:
		case <-poll.C:
		}
		due = nil
		f.looked.Store(f.now())
		bounded, cancel := context.WithTimeout(ctx, kekTimeout)
		end := f.next.Begin()
		end(f.look(bounded)) // which logs its error
		cancel()
		w.follow(f.path)
	}
}

// look reads the file and merges it into the ring. It logs each change, and each kind of failure
// once.
func (f *File) look(ctx context.Context) error {
	if err := f.take(ctx); err != nil {
		return err
	}
	defer f.give()
	before := f.ring.Load()
	err := f.load(ctx, f.kek)
	after := f.ring.Load()
	kind := lograte.Kind(err)
	switch {
	case errors.Is(err, context.Canceled):
		return err // not a failure of the file
	case err != nil && f.told != kind:
		text := "keys: cannot read the ring; keeping the one in memory"
		if errors.Is(err, ErrKEK) {
			text += "; if the ring has a new KEK, restart this process with it"
		}
		f.conf.Logger.Warn(text, "file", f.path, "error", err)
	case err == nil && f.told != "":
		f.conf.Logger.Info("keys: the ring can be read again", "file", f.path)
	}
	f.told = kind
	if after != before {
		f.conf.Logger.Info("keys: the ring changed", changes("file", f.path, before, after)...)
	}
	return err
}

// load reads the file, and decrypts it if its bytes differ from those that the ring was read from.
// The caller has the turn, or sole use of the File.
func (f *File) load(ctx context.Context, k KEK) error {
	disk, doc, err := f.read(ctx, k)
	if err != nil || disk == nil {
		return err
	}
	next := disk
	if ring := f.ring.Load(); ring != nil {
		if next, err = ring.Prune(time.Now()).Merge(disk); err != nil {
			return err
		}
	}
	f.publish(next, doc)
	return nil
}

// read returns the ring in the file and the bytes of the file. The ring is nil if the bytes are
// those that the ring in memory was read from.
func (f *File) read(ctx context.Context, k KEK) (*Ring, []byte, error) {
	doc, err := readSealed(f.path)
	if err != nil {
		return nil, nil, err
	}
	if f.ring.Load() != nil && bytes.Equal(doc, f.good) {
		return nil, doc, nil
	}
	// Bytes that failed once fail again. But the KEK may have been corrected while the ring stayed
	// the same, so it is asked for again. Not too often: the KEK may be a service that costs money,
	// and unknown kids cause a read every second.
	sum := digest(sha256.Sum256(doc))
	if f.failed != nil && sum == f.bad && (!errors.Is(f.failed, ErrKEK) || f.now()-f.tried < int64(kekAgain)) {
		return nil, doc, f.failed
	}
	disk, err := k.Open(ctx, doc)
	if err == nil {
		if ring := f.ring.Load(); ring != nil {
			_, err = ring.Merge(disk)
		}
	}
	if err != nil {
		err = fmt.Errorf("%w (%s)", err, f.path)
		if ctx.Err() == nil { // otherwise the error says nothing about the bytes
			f.bad, f.failed, f.tried = sum, err, f.now()
		}
		return nil, doc, err
	}
	return disk, doc, nil
}

func (f *File) publish(r *Ring, doc []byte) {
	f.good = doc
	if old := f.ring.Load(); old == nil || !r.same(old) {
		f.ring.Store(r)
	}
}

// now returns nanoseconds since the file was opened, never 0.
func (f *File) now() int64 { return int64(time.Since(f.opened)) + 1 }

// take waits for the turn.
func (f *File) take(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *File) give() { <-f.turn }

func (f *File) closed() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// changes returns the keys that were added and those that were revoked, as attributes for the log.
func changes(what, where string, before, after *Ring) []any {
	var came, revoked []string
	for _, k := range after.keys {
		old, ok := before.Key(k.id)
		if !ok {
			came = append(came, k.id)
		}
		if k.revoked != 0 && old.revoked == 0 {
			revoked = append(revoked, k.id)
		}
	}
	said := []any{what, where, slog.Any("came", came), slog.Any("revoked", revoked)}
	if after.maxSession != before.maxSession {
		said = append(said, slog.Duration("max_session", after.MaxSession()))
	}
	return said
}
