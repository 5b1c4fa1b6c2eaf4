package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A call that waits for all replicas reads the registry every lookEvery at first, and then less and
// less often: every answer holds all that all replicas report.
const (
	lookEvery  = 50 * time.Millisecond
	lookSeldom = 500 * time.Millisecond
)

// AwaitFleet is revocation.List.AwaitFleet.
func (l *Replica) AwaitFleet(ctx context.Context, r Receipt, wait time.Duration, progress func(Standing)) (Receipt, error) {
	if l.store == nil {
		return r, ErrDisabled
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	a, ok := parseAsOf(r.AsOf)
	if !ok {
		return r, fmt.Errorf("%w: no receipt of this list", ErrBehind)
	}
	p, err := l.fetchFor(ctx, l.Within()/4, revlog.Cursor{List: a.list, From: a.at, Limit: 1})
	switch h := p.Head; {
	case err != nil:
		return r, fmt.Errorf("%w: %w", ErrBehind, err)
	case termIn(h.ID, h.Term()) != a.term || h.Position().Before(a.at):
		return r, fmt.Errorf("%w: the store has another primary since, which may lack it", ErrBehind)
	}
	err = l.everywhere(ctx, p.Head, begun, &r, progress)
	return r, err
}

// A Standing is revocation.Standing.
type Standing struct {
	Replica revlog.Replica
	Refuses bool
	After   time.Duration
}

// everywhere waits until every replica in the registry has read the log as far as head,
// which a write was acknowledged with at acked, and notes in r how that went (R34). It
// returns ErrBehind if it cannot say so of all of them. It calls progress, if not nil, for
// each replica that it finds or that confirms.
func (l *Replica) everywhere(ctx context.Context, head revlog.Head, acked time.Time, r *Receipt, progress func(Standing)) error {
	store, ok := l.store.(revlog.Registrar)
	if !ok {
		return fmt.Errorf("%w: the store keeps no registry of them", ErrBehind)
	}
	if err := store.CallRoll(ctx, head.ID); err != nil {
		return fmt.Errorf("%w: %w", ErrBehind, err)
	}
	called, pause, lacking := time.Now(), lookEvery, false
	m := muster{head: head, all: map[string]*mustered{}}
	if progress != nil {
		m.tell = func(r *mustered) { progress(Standing{r.Replica, r.refuses, time.Since(acked)}) }
	}
	for {
		registered, err := l.registered(ctx, store)
		if err == nil {
			if m.look(registered) {
				r.Took = time.Since(acked)
			}
			r.Fleet, r.Behind = m.count()
			lacking = lacking || l.incomplete(head, registered)
		}
		switch {
		case err == nil && !m.waits() && (!lacking || time.Since(called) > l.Within()*5/4):
			if len(r.Behind) > 0 {
				return behind(r, nil)
			}
			return l.stillHas(ctx, head)
		case ctx.Err() != nil:
			why := ctx.Err()
			if err != nil && !errors.Is(err, why) {
				why = fmt.Errorf("%w: %w", why, err)
			}
			return behind(r, why)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
			pause = min(pause*11/10, lookSeldom)
		}
	}
}

// incomplete reports whether replicas may run that are not in the registry. It is lost with the
// list, another primary may lack a part of it, and a store that is full takes no registrations.
// Each replica that reads the list registers within S of a call and the time that this takes.
func (l *Replica) incomplete(head revlog.Head, registered []revlog.Replica) bool {
	since := head.Born
	if n := len(head.Terms); n > 0 {
		since = max(since, head.Terms[n-1].Opened)
	}
	mine := func(r revlog.Replica) bool { return r.ID == l.ID() }
	return milliseconds(head.MS-since) < registerKeep || len(registered) == 0 ||
		time.Since(time.Unix(0, l.identity.refused.Load())) < registerKeep ||
		!l.config.Observer && !slices.ContainsFunc(registered, mine)
}

// registered reads the registry. Calls that wait at the same time share an answer. It may be
// a little old, and then says less of how far replicas have read.
func (l *Replica) registered(ctx context.Context, store revlog.Registrar) ([]revlog.Replica, error) {
	flight := l.flights.DoChan("fleet", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.Within()/4)
		defer cancel()
		return store.Replicas(ctx)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-flight:
		all, _ := a.Val.([]revlog.Replica)
		return all, a.Err
	}
}

// stillHas makes sure that no failover took away what head was acknowledged with: then
// replicas that have read as far may have read something else.
func (l *Replica) stillHas(ctx context.Context, head revlog.Head) error {
	p, err := l.fetchFor(ctx, l.Within()/4, revlog.Cursor{List: head.ID, From: revlog.Position{MS: head.MS, N: head.N}, Limit: 1})
	switch h := p.Head; {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrBehind, err)
	case h.N < head.N, h.Term() != head.Term(), h.N == head.N && h.Chain != head.Chain:
		return fmt.Errorf("%w: the store has another primary since, which may lack it; it is sent again", ErrBehind)
	}
	return nil
}

// A muster is what a waiting call has seen of the replicas in the registry.
type muster struct {
	head revlog.Head
	all  map[string]*mustered // by id
	tell func(*mustered)      // of each that is new, and of each that has confirmed; nil: nobody asks
}

type mustered struct {
	revlog.Replica      // as it reported last
	refuses        bool // it has read the log as far as head
	gone           bool // it is not registered any more
}

// look takes what is in the registry now. Only what a replica has read counts, and not its
// state: a stale replica asks the store, but may be cut off at the next moment. look reports whether
// a replica has confirmed that had not before.
func (m *muster) look(registered []revlog.Replica) (news bool) {
	for _, r := range m.all {
		r.gone = true
	}
	for _, now := range registered {
		r := m.all[now.ID]
		if r == nil && now.State == "closed" {
			continue // it was about to leave before
		}
		changed := r == nil
		if changed {
			r = &mustered{}
			m.all[now.ID] = r
		}
		r.Replica, r.gone = now, false
		ms, n, ok := audit.Place(now.Position)
		at := revlog.Position{MS: ms, N: n} // a bulk revocation moves log time, and adds no entry
		if !r.refuses && now.List == m.head.ID && ok && n >= m.head.N && !at.Before(m.head.Position()) {
			r.refuses, news, changed = true, true, true
		}
		if changed && m.tell != nil {
			m.tell(r)
		}
	}
	return news
}

// waits reports whether a replica may still confirm.
func (m *muster) waits() bool {
	for _, r := range m.all {
		if !r.refuses && !r.gone {
			return true
		}
	}
	return false
}

// count returns how many replicas refuse, and those that have not confirmed it, by host.
func (m *muster) count() (refuse int, behind []revlog.Replica) {
	for _, r := range m.all {
		if r.refuses {
			refuse++
		} else {
			behind = append(behind, r.Replica)
		}
	}
	slices.SortFunc(behind, byHost)
	return refuse, behind
}

// mostNamed is how many replicas an error names.
const mostNamed = 10

// behind returns the error that names who has not confirmed.
func behind(r *Receipt, why error) error {
	var names []string
	for _, b := range r.Behind[:min(len(r.Behind), mostNamed)] {
		names = append(names, fmt.Sprintf("%.64q (%.64q)", b.Host, b.ID))
	}
	if more := len(r.Behind) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	err := fmt.Errorf("%w: %d have in %v, and not %s", ErrBehind, r.Fleet, r.Took.Round(time.Millisecond), strings.Join(names, ", "))
	if len(names) == 0 {
		err = fmt.Errorf("%w: %d have in %v", ErrBehind, r.Fleet, r.Took.Round(time.Millisecond))
	}
	if why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return err
}
