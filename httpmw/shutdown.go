package httpmw

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
)

// Shutdown takes this process out of service, in the order in which nothing is lost:
//
//  1. List.Ready is false from now on, and so is /readyz of package admin. For notice, the servers go
//     on accepting connections, so that load balancers can learn of it. Zero is right where they know
//     already, as in Kubernetes after a preStop hook that sleeps.
//  2. The servers accept no more connections.
//  3. Every context of Session.Watch ends with ErrShutdown. Shutdown waits until requests and streams
//     have ended, also those on hijacked connections, such as WebSockets, for which
//     http.Server.Shutdown does not wait.
//  4. The list is closed, and what the store has not acknowledged yet is sent to it.
//
// ctx bounds all of it. A quarter of its time is kept for the last step, however long notice is: requests
// and streams that do not end before are cut off. Without a deadline, Shutdown waits for them, and for
// the store, for as long as it takes.
//
// The error says what did not end and how many revocations the store does not have. Those are lost;
// the log names their tags. It is nil if nothing was lost and nobody was cut off.
//
// A server that is not among servers goes on. That is right for the one of package admin: it answers
// 503 to /readyz, and revokes nothing more. The store, the source of keys and such a server can be
// closed when Shutdown has returned. Call Shutdown once for each list.
func Shutdown(ctx context.Context, l *revocation.List, notice time.Duration, servers ...*http.Server) error {
	r := l.Replica()
	r.Announce()
	serving, cancel := threeQuarters(ctx)
	defer cancel()
	select {
	case <-time.After(notice):
	case <-serving.Done():
	}
	errs := shutdownServers(serving, servers, r.EndStreams)
	if n := r.AwaitStreams(serving); n > 0 {
		errs = append(errs, fmt.Errorf("httpmw: shutdown: streams that did not end in time: %d", n))
	}
	return errors.Join(append(errs, r.Close(ctx))...)
}

// threeQuarters returns a context for three quarters of the time that ctx has left.
func threeQuarters(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-time.Until(end)/4))
}

// shutdownServers shuts all servers down at once. When none accepts connections any more, it calls
// deaf: a client whose stream ended before then would connect to this process again.
func shutdownServers(ctx context.Context, servers []*http.Server, deaf func()) []error {
	var accepting, running sync.WaitGroup
	accepting.Add(len(servers))
	for _, s := range servers {
		s.RegisterOnShutdown(sync.OnceFunc(accepting.Done))
	}
	go func() {
		accepting.Wait()
		deaf()
	}()
	errs := make([]error, len(servers))
	for i, s := range servers {
		running.Go(func() { errs[i] = shutdownServer(ctx, s) })
	}
	running.Wait()
	return errs
}

func shutdownServer(ctx context.Context, s *http.Server) error {
	err := s.Shutdown(ctx)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.Join(fmt.Errorf("httpmw: shutdown: requests to the server at %q did not end in time", s.Addr), s.Close())
	}
	return fmt.Errorf("httpmw: shutdown: the server at %q: %w", s.Addr, err)
}
