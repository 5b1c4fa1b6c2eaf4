package demo

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// outage is the store of the list with a switch. While it is stopped every call fails, as with a Redis
// that is down.
type outage struct {
	store
	stopped atomic.Bool
}

var errStopped = errors.New("demo: the store is stopped")

func (o *outage) up() error {
	if o.stopped.Load() {
		return errStopped
	}
	return nil
}

func (o *outage) Create(ctx context.Context, c revlog.CreateOptions) (revlog.Head, error) {
	if err := o.up(); err != nil {
		return revlog.Head{}, err
	}
	return o.store.Create(ctx, c)
}

func (o *outage) Read(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
	if err := o.up(); err != nil {
		return revlog.Page{}, err
	}
	return o.store.Read(ctx, c)
}

func (o *outage) Write(ctx context.Context, w revlog.Write) (revlog.Written, error) {
	if err := o.up(); err != nil {
		return revlog.Written{}, err
	}
	return o.store.Write(ctx, w)
}

func (o *outage) Confirm(ctx context.Context, q revlog.Question) (revlog.Answer, error) {
	if err := o.up(); err != nil {
		return revlog.Answer{}, err
	}
	return o.store.Confirm(ctx, q)
}

func (o *outage) Register(ctx context.Context, r revlog.Replica, keep time.Duration) error {
	if err := o.up(); err != nil {
		return err
	}
	return o.store.Register(ctx, r, keep)
}

func (o *outage) Replicas(ctx context.Context) ([]revlog.Replica, error) {
	if err := o.up(); err != nil {
		return nil, err
	}
	return o.store.Replicas(ctx)
}

func (o *outage) Sketches(ctx context.Context, names []string) ([][]byte, error) {
	if err := o.up(); err != nil {
		return nil, err
	}
	return o.store.Sketches(ctx, names)
}

func (o *outage) KeepSketch(ctx context.Context, name string, sketch []byte, keep time.Duration) error {
	if err := o.up(); err != nil {
		return err
	}
	return o.store.KeepSketch(ctx, name, sketch, keep)
}

func (o *outage) Usage(ctx context.Context) (revlog.Usage, error) {
	if err := o.up(); err != nil {
		return revlog.Usage{}, err
	}
	return o.store.Usage(ctx)
}

// stopStore stops the store, or starts it again.
func (f *front) stopStore(w http.ResponseWriter, r *http.Request) {
	stop := r.PostFormValue("stopped") == "true"
	f.state.store.stopped.Store(stop)
	writeJSON(w, http.StatusOK, map[string]any{"stopped": stop})
}

// rotate adds a key that seals at once. The replicas of the demo share one ring in memory, so all of
// them have the key.
func (f *front) rotate(w http.ResponseWriter, r *http.Request) {
	err := f.state.ring.Edit(r.Context(), func(ring *keys.Ring) (*keys.Ring, error) {
		now := time.Now()
		return ring.Prune(now).Rotate(now, keys.Rotation{Immediate: true})
	})
	if err != nil {
		writeJSON(w, http.StatusServiceUnavailable, map[string]any{"error": "the ring cannot be changed now"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"kid": f.sealing()})
}

// sealing names the key that seals now.
func (f *front) sealing() string {
	k, _ := f.state.ring.Ring().Sealing(time.Now())
	return k.ID()
}
