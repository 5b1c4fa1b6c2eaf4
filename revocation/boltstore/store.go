// Package boltstore keeps a revocation list in one file, for an application that runs as one
// process. An acknowledged revocation survives a crash of the process: every write is synced to
// disk before it returns.
//
// [Open] returns a revlog.Store, which may serve several lists of the process. A second process
// that opens the file gets [ErrInUse].
//
// The exact set is held in memory. It needs about 130 bytes for each revocation in force.
package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// ErrInUse: another process has the file open.
var ErrInUse = errors.New("boltstore: another process has the list open: use its admin endpoint (--admin)")

// ErrCorrupt: the file holds no list, or a damaged one.
var ErrCorrupt = errors.New("boltstore: not a revocation list, or a damaged one (check the path; moving the file away starts a new list)")

// A Store is a [revlog.Store] in a file.
type Store struct {
	*revlog.Memory
	db *bolt.DB
}

var (
	_ revlog.Store    = (*Store)(nil)
	_ revlog.Measurer = (*Store)(nil)
)

var (
	headBucket  = []byte("head")  // "head" → the head as JSON
	logBucket   = []byte("log")   // number, 8 bytes → entry
	exactBucket = []byte("exact") // scope, tag → entry
	headKey     = []byte("head")
)

// lockFor is how long Open waits for another process to end.
const lockFor = 200 * time.Millisecond

// Open opens the list in the file at path. If the file does not exist, Open creates it with mode
// 0600. The store holds a lock on the file until Close.
func Open(path string) (*Store, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockFor})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, fmt.Errorf("%w: %s", ErrInUse, path)
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		return nil, fmt.Errorf("%w: %s: %w", ErrCorrupt, path, err)
	case err != nil:
		return nil, fmt.Errorf("boltstore: %w", err)
	}
	s := &Store{db: db}
	state, err := s.load()
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.Memory = revlog.Restore(state, s.commit)
	return s, nil
}

// Close closes the file and releases its lock. Close the lists that use the store first: their
// calls fail afterwards.
func (s *Store) Close() error { return s.db.Close() }

// Usage implements [revlog.Measurer]: the size of the file. It has no limit but that of the disk.
func (s *Store) Usage(context.Context) (u revlog.Usage, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		u.Bytes = tx.Size()
		return nil
	})
	return u, err
}

func (s *Store) load() (state revlog.State, err error) {
	err = s.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{headBucket, logBucket, exactBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		head := tx.Bucket(headBucket).Get(headKey)
		if head == nil {
			return nil
		}
		if err := json.Unmarshal(head, &state.Head); err != nil {
			return fmt.Errorf("%w: head: %w", ErrCorrupt, err)
		}
		read := func(name []byte, to *[]revlog.Entry) error {
			return tx.Bucket(name).ForEach(func(_, v []byte) error {
				e, err := parseEntry(v)
				*to = append(*to, e)
				return err
			})
		}
		if err := read(logBucket, &state.Entries); err != nil {
			return err
		}
		for i, e := range state.Entries {
			if i > 0 && e.Position.N != state.Entries[i-1].Position.N+1 {
				return fmt.Errorf("%w: the log has a gap", ErrCorrupt)
			}
		}
		return read(exactBucket, &state.Exact)
	})
	return state, err
}

func (s *Store) commit(c revlog.Change) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		head, err := json.Marshal(c.Head)
		if err != nil {
			return err
		}
		if err := tx.Bucket(headBucket).Put(headKey, head); err != nil {
			return err
		}
		log, exact := tx.Bucket(logBucket), tx.Bucket(exactBucket)
		cursor := log.Cursor()
		for k, _ := cursor.First(); k != nil && bytes.Compare(k, number(c.Oldest.N)) < 0; k, _ = cursor.Next() {
			if err := cursor.Delete(); err != nil {
				return err
			}
		}
		for _, e := range c.Entries {
			if err := log.Put(number(e.Position.N), appendEntry(nil, e)); err != nil {
				return err
			}
		}
		for _, e := range c.Forgotten {
			if err := exact.Delete(exactKey(e)); err != nil {
				return err
			}
		}
		for _, e := range c.Exact {
			if err := exact.Put(exactKey(e), appendEntry(nil, e)); err != nil {
				return err
			}
		}
		return nil
	})
}

func number(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func exactKey(e revlog.Entry) []byte {
	key := append([]byte{byte(e.Scope)}, e.Tag[:]...)
	if does := e.Does(); does != revlog.End {
		key = append(key, byte(does))
	}
	return key
}
