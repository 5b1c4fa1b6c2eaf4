package keys

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultPoll = 5 * time.Second
	refreshGap  = time.Second            // between looks that Refresh asks for
	settle      = 100 * time.Millisecond // after the first sign of a change: writers send several
	kekTimeout  = 30 * time.Second       // for a KEK that the background asks for
	kekAgain    = 15 * time.Second       // after which one that did not open the ring is asked for again
)

// FileConfig is how a [File] behaves. The zero value is good for production.
type FileConfig struct {
	// Create makes the ring if there is none, and the key of a [KEKFile] with it
	// if that is missing too. Of several processes that do so at once one makes
	// the ring and all end with it. Zero: a missing ring is [fs.ErrNotExist].
	Create bool
	// MaxSession is what a created ring is for, see [Generate]; a ring that
	// exists keeps its own until [Ring.Extend]. Zero: 24 h.
	MaxSession time.Duration
	// Poll is how often the file is read besides when the system says that it
	// changed. Zero: 5 s.
	Poll time.Duration
	// PollOnly does not ask the system to say so: for file systems that do not
	// tell, and where watches are short. Zero: it asks.
	PollOnly bool
	// Logger is told when a ring is made, when it changes, and once when it cannot
	// be read any more. Zero: [slog.Default].
	Logger *slog.Logger
}

// A File is a ring in a file. It follows the file: what the file adds or revokes
// holds here soon after, and nothing that the file lacks is given up. If the file
// goes missing, breaks or turns into another ring, the ring stays as it was, and a
// line in the log says so once.
//
// A write replaces the file as a whole, durably, so that a reader or a crash finds
// the old ring or the new one. Writers take turns by a lock on an empty file
// beside it, the ring's name with ".lock" added, which stays there.
type File struct {
	path string
	kek  KEK
	conf FileConfig

	ring   atomic.Pointer[Ring]
	looked atomic.Int64 // ns since opened, when the last look began; 0: none
	opened time.Time
	poke   chan struct{} // asks the background for a look in good time

	turn   chan struct{} // held by whoever looks or edits; owns what follows
	good   digest        // of the bytes that the ring last came from
	bad    digest        // of the bytes that did not open
	failed error         // why they did not; nil: there are none
	tried  int64         // when, in ns since opened
	told   error         // what the log was last told; nil: that all is well

	stop context.CancelFunc
	done chan struct{}
	once sync.Once
}

type digest [sha256.Size]byte

var _ Editor = (*File)(nil)

// OpenFile opens the ring in a file, following symbolic links, and follows its
// changes until [File.Close]. ctx bounds opening only.
//
// A file that others can read, or write, is refused with [ErrExposed]: it must have
// mode 0600 or 0400. There is one exception, for secrets that Kubernetes mounts
// with an fsGroup: the group may read (0440) where it is how the file was given to
// us, which is to say the group is ours, and the file is another user's or on a
// read-only file system. Windows keeps no such modes, and nothing is checked there.
func OpenFile(ctx context.Context, path string, k KEK, c FileConfig) (*File, error) {
	if err := checkMaxSession(c.MaxSession); err != nil {
		return nil, err
	}
	if c.Poll < 0 {
		return nil, errors.New("keys: Poll is negative")
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	f := &File{
		path: path, kek: k, conf: c,
		opened: time.Now(), poke: make(chan struct{}, 1),
		turn: make(chan struct{}, 1), done: make(chan struct{}),
	}
	err := f.load(ctx)
	if c.Create && errors.Is(err, fs.ErrNotExist) {
		made := Generate(c.MaxSession)
		if err = CreateFile(ctx, path, k, made); err == nil {
			c.Logger.Warn("keys: made a new ring, because there was none; sessions of an earlier ring no longer open", "ring", made.ID(), "file", path)
		}
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = f.load(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	ctx, f.stop = context.WithCancel(context.Background())
	w := newWatcher(path, c)
	go f.follow(ctx, w)
	return f, nil
}

// Ring implements [Source].
func (f *File) Ring() *Ring { return f.ring.Load() }

// Close stops following the file and returns when that has stopped. The ring as it
// was stays readable. Closing again does nothing.
func (f *File) Close() error {
	f.once.Do(f.stop)
	<-f.done
	return nil
}

// String returns the path. No other form of printing shows more.
func (f *File) String() string {
	if f == nil {
		return "keys.File(nil)"
	}
	return "keys.File(" + f.path + ")"
}

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (f *File) Format(s fmt.State, _ rune) { fmt.Fprint(s, f.String()) }

// LogValue implements [slog.LogValuer].
func (f *File) LogValue() slog.Value { return slog.StringValue(f.String()) }

// MarshalJSON returns what String returns, as a JSON string.
func (f *File) MarshalJSON() ([]byte, error) { return json.Marshal(f.String()) }
