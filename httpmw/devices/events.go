package devices

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/revocation"
)

// adopted is the kind of the event of a session that httpmw/adopt moved in.
const adopted httpmw.EventKind = "adopt"

// Begin implements [httpmw.Devices]: it lists a session that begins or goes on under another id, and
// ends those that are too many.
func (r *Registry) Begin(ctx context.Context, e httpmw.Event) error {
	owner, d, previous := r.owner(e.Subject), describe(e), e.Previous
	r.known.add(d.ID, pause(d))
	most, err := r.most(ctx, e.Subject)
	switch {
	case err == nil && most == 0:
		r.later(func(ctx context.Context) error { return r.put(ctx, owner, d, previous, maxListed) })
		return nil
	case err == nil:
		err = r.admit(ctx, owner, d, previous, most)
	case previous != "": // it goes on, and its row with it
		r.later(func(ctx context.Context) error { return r.put(ctx, owner, d, previous, 0) })
		return nil
	}
	if err == nil {
		return nil
	}
	r.known.remove(d.ID)
	if previous == "" {
		r.count.refused.Add(1)
	}
	return err
}

// most returns how many sessions a subject may have, 0 for any number.
func (r *Registry) most(ctx context.Context, subject string) (int, error) {
	if r.c.MaxFor == nil {
		return r.c.Max, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.c.Timeout)
	defer cancel()
	most, err := r.c.MaxFor(ctx, subject)
	if err == nil && (most < 0 || most > maxListed) {
		err = fmt.Errorf("%d is not between 0 and %d", most, maxListed)
	}
	if err == nil {
		return most, nil
	}
	if times, ok := r.rate.Count("most"); ok {
		r.c.Logger.Warn("devices: a login failed because Config.MaxFor did not say how many sessions its subject may have", "times", times)
	}
	return 0, fmt.Errorf("%w: Config.MaxFor: %w", ErrUnavailable, err)
}

// admit puts d into the list and ends the sessions that are too many. Their rows stay until each is
// revoked, so that the next login ends what this one could not.
func (r *Registry) admit(ctx context.Context, owner string, d Device, previous string, most int) error {
	bounded, cancel := context.WithTimeout(ctx, r.c.Timeout)
	excess, err := r.store.Put(bounded, owner, d, previous, most)
	cancel()
	if err != nil {
		if previous == "" { // there will be no session, but the row may have been written
			r.later(func(ctx context.Context) error { return r.store.Delete(ctx, owner, d.ID) })
		}
		return r.failed("write", err)
	}
	for _, id := range excess {
		if _, err := r.list.Revoke(ctx, revocation.Session(id), revocation.Options{}); err != nil && !errors.Is(err, revocation.ErrTarget) {
			if previous == "" {
				r.forget(ctx, owner, d.ID) // before another try, which would count it
			}
			if times, ok := r.rate.Count("evict"); ok {
				r.c.Logger.Warn("devices: a login failed because the oldest session could not be ended", "times", times, "error", err.Error())
			}
			return fmt.Errorf("%w: the oldest session could not be ended: %w", ErrUnavailable, err)
		}
		r.count.evicted.Add(1)
	}
	r.count.written.Add(1)
	if len(excess) > 0 {
		r.forget(ctx, owner, excess...)
	}
	return nil
}

// put puts d into the list and ends nothing. It forgets the oldest rows if there are more than most; 0
// forgets none.
func (r *Registry) put(ctx context.Context, owner string, d Device, previous string, most int) error {
	excess, err := r.store.Put(ctx, owner, d, previous, most)
	if err == nil && len(excess) > 0 {
		err = r.store.Delete(ctx, owner, excess...)
	}
	if err != nil {
		r.known.remove(d.ID) // so that it is tried again when the session is seen
		return err
	}
	r.count.written.Add(1)
	return nil
}

// OnEvent implements [httpmw.Devices]. It never waits for the store.
func (r *Registry) OnEvent(_ context.Context, e httpmw.Event) {
	if e.Session == "" || e.Subject == "" {
		return
	}
	switch e.Kind {
	case httpmw.EventSeen, adopted:
		if d := describe(e); r.known.add(d.ID, pause(d)) {
			owner, most := r.owner(e.Subject), maxListed
			if r.c.Max > 0 || r.c.MaxFor != nil {
				most = 0 // under a limit, a row stays until its session has ended
			}
			r.later(func(ctx context.Context) error { return r.put(ctx, owner, d, "", most) })
		}
	case httpmw.EventLogout:
		if e.Err == nil {
			r.remove(e)
		}
	case httpmw.EventRefused:
		// A browser may send the cookie again and again.
		if errors.Is(e.Err, httpmw.ErrRevoked) && r.known.add("refused "+e.Session, time.Minute) {
			r.remove(e)
		}
	case httpmw.EventLogoutOthers, httpmw.EventLogoutEverywhere:
		if e.Err == nil {
			subject := e.Subject // the call must not keep the request
			r.later(func(ctx context.Context) error { return r.clear(ctx, subject) })
		}
	}
}

// remove deletes the row of a session that has ended.
func (r *Registry) remove(e httpmw.Event) {
	owner, id := r.owner(e.Subject), e.Session
	r.later(func(ctx context.Context) error { return r.store.Delete(ctx, owner, id) })
}

// clear deletes the rows of the sessions that a revocation of their subject has ended. A login may
// have put a new one beside them meanwhile.
func (r *Registry) clear(ctx context.Context, subject string) error {
	owner := r.owner(subject)
	rows, err := r.store.List(ctx, owner)
	if err != nil {
		return err
	}
	var over []string
	ended := r.ended(ctx, subject)
	for _, d := range rows {
		if !d.Began.After(ended) {
			over = append(over, d.ID)
		}
	}
	if len(over) == 0 {
		return nil
	}
	return r.store.Delete(ctx, owner, over...)
}

// describe returns the row of a session. Stores keep milliseconds.
func describe(e httpmw.Event) Device {
	d := Device{ID: e.Session, Name: e.Device, LoginTime: e.LoginTime, Began: e.Began, Seen: time.UnixMilli(time.Now().UnixMilli()), Until: e.Expires}
	if e.Request != nil {
		d.Agent = agent(e.Request.UserAgent())
	}
	if e.Kind == httpmw.EventLogin {
		d.LoginTime = d.Seen // the session knows it in seconds only
	}
	return d
}

const mostSeldom = 5 * time.Minute

// pause returns for how long a session that was listed need not be listed again.
func pause(d Device) time.Duration { return min(mostSeldom, d.Until.Sub(d.Seen)/4) }
