package revocation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A journal is a log that tests can read.
type journal struct {
	times bool // lines say how often

	mu sync.Mutex // owns b
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(j, nil)) }

// lines returns the level, the start of the message and some attributes of each line, and clears
// the log.
func (j *journal) lines(t *testing.T) (out []string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for line := range strings.Lines(j.b.String()) {
		var l struct {
			Level, Msg, Store, Error string
			After, Waited            time.Duration
			Times                    int
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		msg, _, _ := strings.Cut(strings.TrimPrefix(l.Msg, "revocation: "), ":")
		text := l.Level + " " + msg
		for _, s := range []string{l.Store, l.Error} {
			if s != "" {
				text += "; " + s
			}
		}
		for _, d := range []time.Duration{l.After, l.Waited} {
			if d != 0 {
				text += fmt.Sprintf("; %v", d.Round(time.Second))
			}
		}
		if j.times && l.Times != 0 {
			text += fmt.Sprintf("; %d times", l.Times)
		}
		out = append(out, text)
	}
	j.b.Reset()
	return out
}

func wantLines(t *testing.T, j *journal, when string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, j.lines(t)); d != "" {
		t.Errorf("%s (-want +got):\n%s", when, d)
	}
}

// at is a store with an address.
type at struct{ scripted }

func (at) Where() string { return "Redis at 10.0.0.1" }

// The log has one line for each change during an outage, and none that repeats.
func TestLogOfAnOutage(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, j := at{script()}, new(journal)
		l, err := revocation.Open(t.Context(), store, revlogtest.Secrets(1), revocation.Config{Logger: j.logger(), Audit: slog.DiscardHandler})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		q := login(t, l, 1, "ada")
		time.Sleep(time.Minute)
		wantLines(t, j, "a healthy store")

		store.silence()
		time.Sleep(within / 2)
		store.Recover()
		time.Sleep(within)
		wantLines(t, j, "an outage shorter than S")

		store.Hook(func(s *revlogtest.Hooks) { silenceReads(s) })
		time.Sleep(10 * time.Second)
		store.Recover()
		time.Sleep(time.Second)
		wantLines(t, j, "reads only",
			"WARN the list is stale; Redis at 10.0.0.1; no answer", "INFO the list is synced again; Redis at 10.0.0.1; 10s")

		store.silence()
		time.Sleep(5 * time.Second)
		verdict(t, l, session(q, 1)) // a request comes, and the replica asks the store
		time.Sleep(30 * time.Minute)
		wantLines(t, j, "a long outage", "WARN the list is stale; Redis at 10.0.0.1; no answer",
			"WARN the list is cut off; Redis at 10.0.0.1; no answer", "ERROR the list is out of touch for longer than its grace; Redis at 10.0.0.1; no answer")
		store.Recover()
		time.Sleep(time.Second)
		wantLines(t, j, "the end of it", "INFO the list is synced again; Redis at 10.0.0.1; 30m5s")
	})
}

// An error that happens five times a second is logged once a minute.
func TestLogIsNotFlooded(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, j := script(), &journal{times: true}
		l, err := revocation.Open(t.Context(), store, revlogtest.Secrets(1), revocation.Config{Logger: j.logger(), Audit: slog.DiscardHandler})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		strange := revlog.NewMemory()
		stranger, err := revocation.Open(t.Context(), strange, revlogtest.Secrets(2), revocation.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer stranger.Close()
		time.Sleep(time.Second)
		store.Replace(strange) // the list of another ring
		time.Sleep(10 * time.Minute)
		n, times := 0, 0
		for _, line := range j.lines(t) {
			if rest, ok := strings.CutPrefix(line, "ERROR the list is gone and no new one can be created; the store; "+revocation.ErrWrongKey.Error()); ok {
				n++
				var here int
				fmt.Sscanf(rest, "; %d times", &here)
				times += max(here, 1)
			}
		}
		if n < 9 || n > 11 || times < 2000 {
			t.Errorf("%d lines in ten minutes for %d errors", n, times)
		}
	})
}

// The log and Stats show a store that answers reads but takes no writes. Nothing else does.
func TestWritesThatFailAreTold(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, j := at{script()}, new(journal)
		l, err := revocation.Open(t.Context(), store, revlogtest.Secrets(1), revocation.Config{Logger: j.logger(), Audit: slog.DiscardHandler})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if _, err := l.Revoke(t.Context(), revocation.Subject("ada"), revocation.Options{}); err != nil {
			t.Fatal(err)
		}
		if s := l.Stats(); s.Acknowledged != 1 || s.Writes["ok"] != 1 || s.Writes["failed"] != 0 {
			t.Errorf("one revocation: %+v", s)
		}
		refused := errors.New("OOM command not allowed")
		store.Hook(func(s *revlogtest.Hooks) {
			s.Write = func(context.Context, revlog.Write) (revlog.Written, error) { return revlog.Written{}, refused }
		})
		if _, err := l.Revoke(t.Context(), revocation.Subject("bob"), revocation.Options{}); err == nil {
			t.Fatal("Revoke returned no error although the store takes no writes")
		}
		time.Sleep(30 * time.Second)
		wantLines(t, j, "writes are refused",
			"WARN revocations of this replica wait for the store, which does not take them; Redis at 10.0.0.1; OOM command not allowed",
			"WARN the store does not take the canary that measures how soon revocations take effect; Redis at 10.0.0.1; OOM command not allowed")
		if s := l.Stats(); s.Acknowledged != 1 || s.Writes["failed"] < 100 {
			t.Errorf("while it waits: %+v", s)
		}
		store.Recover()
		time.Sleep(time.Second)
		if s := l.Stats(); s.Acknowledged != 2 {
			t.Errorf("after it was sent: %+v", s)
		}
	})
}

// A failover that lost nothing is one line in the log.
func TestANewPrimaryIsTold(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, j := at{script()}, new(journal)
		l, err := revocation.Open(t.Context(), store, revlogtest.Secrets(1), revocation.Config{Logger: j.logger(), Audit: slog.DiscardHandler})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		time.Sleep(time.Second)
		memory := store.Unwrap()
		store.Hook(func(s *revlogtest.Hooks) {
			s.Read = func(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
				p, err := memory.Read(ctx, c)
				p.Head.Terms = append(slices.Clone(p.Head.Terms), revlog.Term{ID: 77, Start: p.Head.MS - 100, Opened: p.Head.MS})
				return p, err
			}
		})
		time.Sleep(10 * time.Second)
		wantLines(t, j, "a failover", "INFO the store has a new primary; Redis at 10.0.0.1")
		if n := l.Stats().Terms; n != 1 {
			t.Errorf("%d new primaries counted", n)
		}
	})
}

func TestOpenSaysWhatItWaitsFor(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		store, j := at{script()}, new(journal)
		store.silence()
		open := func(ctx context.Context) (*revocation.List, error) {
			return revocation.Open(ctx, store, revlogtest.Secrets(1), revocation.Config{Logger: j.logger(), Audit: slog.DiscardHandler})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		_, err := open(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errSilent) || !strings.Contains(err.Error(), "Redis at 10.0.0.1 did not answer for 2m30s: no answer") {
			t.Errorf("Open = %v", err)
		}
		wantLines(t, j, "at once, and each minute", "WARN waiting for the store, to join the list; Redis at 10.0.0.1; no answer",
			"WARN waiting for the store, to join the list; Redis at 10.0.0.1; no answer; 1m0s", "WARN waiting for the store, to join the list; Redis at 10.0.0.1; no answer; 2m0s")

		go func() { time.Sleep(10 * time.Second); store.Recover() }()
		l, err := open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		wantLines(t, j, "in the end", "WARN waiting for the store, to join the list; Redis at 10.0.0.1; no answer", "INFO the list is joined; Redis at 10.0.0.1; 10s")
	})
}
