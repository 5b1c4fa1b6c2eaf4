package replica

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A departure is how this process goes out of service: it says so, its streams end, and the
// outbox is sent.
type departure struct {
	announced atomic.Bool
	streams   atomic.Int64
	over      chan struct{}
	end       func() // closes over, once
}

func newDeparture() *departure {
	over := make(chan struct{})
	return &departure{over: over, end: sync.OnceFunc(func() { close(over) })}
}

// Announce makes [Replica.Ready] false, so that no more requests are sent here.
func (l *Replica) Announce() { l.departure.announced.Store(true) }

// BeginStream counts a response that goes on until over is closed. The caller calls done
// when the response has ended.
func (l *Replica) BeginStream() (over <-chan struct{}, done func()) {
	d := l.departure
	d.streams.Add(1)
	return d.over, sync.OnceFunc(func() { d.streams.Add(-1) })
}

// EndStreams tells every stream to end.
func (l *Replica) EndStreams() { l.departure.end() }

// AwaitStreams waits until no stream is left, or ctx ends. It returns how many are left.
func (l *Replica) AwaitStreams(ctx context.Context) int64 {
	for {
		n := l.departure.streams.Load()
		if n == 0 {
			return 0
		}
		select {
		case <-ctx.Done():
			return n
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Close is revocation.List.Close. It tries until ctx ends.
func (l *Replica) Close(ctx context.Context) error {
	l.EndStreams()
	if l.closed.Swap(true) || l.store == nil {
		return nil
	}
	l.outbox.close()
	l.stop()
	<-l.stopped
	defer l.resign()
	for err := l.sendAll(ctx); err != nil; err = l.sendAll(ctx) {
		select {
		case <-ctx.Done():
			return l.lost(err)
		case <-time.After(readEvery):
		}
		// What keeps the store from taking them may be that this replica has to join the
		// list first, or to follow another one.
		if l.view.Load() == nil {
			l.startLate(ctx)
		} else {
			l.step(ctx, time.Now())
		}
	}
	return nil
}

// resign takes this replica out of the registry, so that nobody waits for it (R34).
func (l *Replica) resign() {
	if now := time.Now(); l.followed() {
		l.enlist(context.Background(), now, time.Millisecond)
	}
}

// sendAll sends everything in the outbox that the store has not acknowledged.
func (l *Replica) sendAll(ctx context.Context) error {
	for {
		if more, err := l.flush(ctx); err != nil || !more {
			return err
		}
	}
}

// mostLost is how many lost revocations are logged one by one.
const mostLost = 100

// lost logs what the outbox still holds, and returns the error of [Replica.Close].
func (l *Replica) lost(why error) error {
	all := l.outbox.unsent(outboxLimit)
	if len(all) == 0 {
		return nil
	}
	counts, logged := map[revlog.Scope]int{}, 0
	for k := range all {
		if counts[k.Scope]++; logged < mostLost {
			logged++
			l.log.Error("revocation: closing with a revocation that the store does not have",
				"scope", k.Scope.String(), "tag", k.Tag.String())
		}
	}
	var parts []string
	for s, n := range counts {
		parts = append(parts, fmt.Sprintf("%s: %d", s, n))
	}
	slices.Sort(parts)
	l.log.LogAttrs(context.Background(), slog.LevelError, "revocation: closing with revocations that the store does not have",
		slog.Int("revocations", len(all)), slog.Int("logged", logged), slog.Any("error", why))
	return fmt.Errorf("%w: %d revocations were not acknowledged before closing (%s)", ErrUnavailable, len(all), strings.Join(parts, ", "))
}
