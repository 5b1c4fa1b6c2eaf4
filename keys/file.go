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

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/nextcheck"
)

const (
	defaultPoll = 5 * time.Second
	refreshGap  = time.Second            // between reads that Refresh asks for
	settle      = 100 * time.Millisecond // after the first sign of a change: writers send several
	kekTimeout  = 30 * time.Second       // for a KEK that the background asks for
	kekAgain    = 15 * time.Second       // before a KEK that failed is asked for again
)

// FileConfig configures a [File]. The zero value is good for production.
type FileConfig struct {
	// Create creates the ring if there is none, and the key of a [KEKFile] if that is missing too.
	// If several processes do so at once, one creates the ring and all use it. Zero: a missing ring
	// is [fs.ErrNotExist].
	Create bool
	// MaxSession is the longest session that a created ring allows; see [Generate]. A ring that
	// exists keeps its own until [Ring.Extend]. Zero: 24 h.
	MaxSession time.Duration
	// Poll is how often the file is read, in addition to when the system reports a change. Zero: 5
	// s.
	Poll time.Duration
	// PollOnly turns notifications of the system off. It is for file systems that send none, and
	// for systems with few watches. Zero: the system is asked to report changes.
	PollOnly bool
	// RotateEvery is how old the newest key is when the ring is rotated by itself, and expired keys
	// are pruned: [Daily], or at least an hour and eight times Poll. Of all processes that follow
	// the file with RotateEvery, one makes the new key. A machine whose clock is ahead of that of
	// the file system goes by the latter. Zero: the ring is not rotated by itself.
	RotateEvery time.Duration
	// Logger receives a line when a ring is created, when it changes, and once when it can no
	// longer be read. Zero: [slog.Default].
	Logger *slog.Logger
	// Audit receives a record of each change that this process makes (package audit). Zero: the
	// handler of Logger.
	Audit slog.Handler
}

// A File is a ring in a file. It follows the file: keys and revocations that are added to the file
// soon hold here, and nothing that the file lacks is dropped. If the file goes missing, is damaged
// or becomes another ring, the File keeps the ring it has and logs one line.
//
// A write replaces the whole file durably, so a reader or a crash finds the old ring or the new
// one. Writers take turns by a lock on an empty file beside it, the ring's name with ".lock" added,
// which is not removed.
type File struct {
	path string
	kek  KEK
	conf FileConfig

	meter  *Meter
	ring   atomic.Pointer[Ring]
	looked atomic.Int64 // when the last read began, in ns since opened; 0: none
	opened time.Time
	poke   chan struct{}  // asks the background to read soon
	next   nextcheck.Next // the next read of the background
	fast   bool           // our clock is ahead of the file system's; owned by the Rotator

	turn   chan struct{} // held while reading or editing; owns the fields below
	good   []byte        // the bytes that the ring was last read from or written to
	bad    digest        // of the bytes that did not open
	failed error         // why they did not; nil: no bytes failed
	tried  int64         // when they were tried, in ns since opened
	told   string        // the kind of failure last logged; "": none

	stop context.CancelFunc
	done chan struct{}
	once sync.Once
}

type digest [sha256.Size]byte

var _ Editor = (*File)(nil)

// OpenFile opens the ring in a file, following symbolic links, and follows its changes until
// [File.Close]. ctx bounds opening only.
//
// The file must have mode 0600 or 0400. A file that others can read or write is refused with
// [ErrExposed]. There is one exception, for secrets that Kubernetes mounts with an fsGroup and for
// credentials of systemd: the group may read (mode 0440) if the file belongs to another user or is on
// a read-only file system, and the group is one of ours, or user and group are root. Windows has no
// such modes, and nothing is checked there.
func OpenFile(ctx context.Context, path string, k KEK, c FileConfig) (*File, error) {
	if err := checkMaxSession(c.MaxSession); err != nil {
		return nil, err
	}
	if c.Poll < 0 {
		return nil, errors.New("keys: FileConfig.Poll is negative")
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Audit = audit.Handler(c.Audit, c.Logger)
	rotator := Rotator{Every: c.RotateEvery, Poll: c.Poll, Logger: c.Logger}
	if err := rotator.Check(); c.RotateEvery != 0 && err != nil {
		return nil, err
	}
	f := &File{
		path: path, kek: k, conf: c, meter: NewMeter(),
		opened: time.Now(), poke: make(chan struct{}, 1),
		turn: make(chan struct{}, 1), done: make(chan struct{}),
	}
	once := k.Once()
	err := f.load(ctx, once)
	if c.Create && errors.Is(err, fs.ErrNotExist) {
		made := Generate(c.MaxSession)
		if err = CreateFile(ctx, path, k, made); err == nil {
			c.Logger.Warn("keys: created a ring, because there was none; sessions of an earlier ring no longer open", "ring", made.ID(), "file", path)
			Audit(ctx, c.Audit, nil, made)
		}
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = f.load(ctx, once)
		}
	}
	if err != nil {
		return nil, err
	}
	ctx, f.stop = context.WithCancel(context.Background())
	f.run(ctx, newWatcher(path, c), rotator)
	return f, nil
}

// run follows the file in the background, and rotates the ring if that is wanted.
func (f *File) run(ctx context.Context, w *watcher, rotator Rotator) {
	var all sync.WaitGroup
	all.Go(func() { f.follow(ctx, w) })
	if rotator.Editor, rotator.Now = f, f.clock; rotator.Every != 0 {
		all.Go(func() { rotator.Run(ctx) })
	}
	go func() {
		all.Wait()
		close(f.done)
	}()
}

// Ring implements [Source].
func (f *File) Ring() *Ring { return f.ring.Load() }

// Close stops following the file, waits until that has stopped, and returns nil. The ring stays
// readable. Closing again does nothing.
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
