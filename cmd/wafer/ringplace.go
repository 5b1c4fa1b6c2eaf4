package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// A ringPlace is where a ring is read and changed: in a file or in Redis by this process, or behind the
// admin API of a running application. The commands know the ring only as a document of that API, so
// they do and say the same for all places.
type ringPlace interface {
	// ring returns the ring, with what the running replicas report of its keys if that is known.
	ring(ctx context.Context) (ringView, error)
	// change sends a document to a path of the admin API, or does what that would do. It returns the
	// ring as it was before and as it is now.
	change(ctx context.Context, path string, asked ringChange) (before, after adminapi.Ring, err error)
	Close() error
}

// A ringView is a ring as it is now.
type ringView struct {
	adminapi.Ring
	unknown error // why it is not known which replicas have the keys; nil: it is
}

// A ringChange is a document of the admin API that asks for a change of the ring.
type ringChange interface {
	Change(r *keys.Ring, now time.Time, report adminapi.Report) (*keys.Ring, error)
}

// placeFlags say where the ring is, and which list of revocations knows the replicas that have it.
type placeFlags struct {
	listFlags
}

// add adds the flags to a command that works in all places.
func (f *placeFlags) add(cmd *cobra.Command) {
	f.addRedis(cmd)
	f.admin.add(cmd)
	f.ring.add(cmd)
	cmd.Flags().Lookup("redis").Usage = "`URL` of the Redis with the ring or, with --file, with the list that\nknows the replicas: redis://, rediss://, redis+sentinel://host/name,\nredis+cluster://, unix:///path (env " + variables["redis"] + ")"
}

// addStore adds the flags to a command that needs the bytes of the ring. The flags of the admin API are
// read so that the command can say why they do not fit.
func (f *placeFlags) addStore(cmd *cobra.Command) {
	f.add(cmd)
	hide(cmd, adminNames...)
}

// store returns where the bytes of the ring are.
func (f *placeFlags) store() (ringStore, error) {
	if f.admin.url != "" {
		return nil, usagef("this command needs the bytes of the keys, and they do not travel through the admin API: anyone with its token could forge every session. Run it where the ring is kept, with --file FILE or --redis URL")
	}
	return f.ringStore()
}

// place opens the place that the flags name.
func (f *placeFlags) place(cmd *cobra.Command) (ringPlace, error) {
	switch {
	case f.admin.url == "":
		return f.editor(cmd.Context())
	case given(cmd, "file"):
		return nil, usagef("give one of --admin and --file: with --admin the application changes its own ring")
	case f.redis != "" && given(cmd, "redis"):
		return nil, usagef("give one of --admin and --redis: with --admin the application changes its own ring")
	case given(cmd, "admin"):
	case f.redis != "":
		return nil, usagef("%s and %s are both set: choose with --redis URL or --admin URL", variables["redis"], variables["admin"])
	case f.ring.file != "":
		return nil, usagef("%s and %s are both set: choose with --file FILE or --admin URL", variables["file"], variables["admin"])
	}
	c, err := f.admin.client()
	return &adminPlace{c}, err
}

// An adminPlace is the ring of a running application.
type adminPlace struct{ client *adminClient }

func (p *adminPlace) ring(ctx context.Context) (v ringView, err error) {
	if err := p.client.call(ctx, "/keys", nil, &v.Ring); err != nil {
		return v, err
	}
	if !slices.ContainsFunc(v.Keys, func(k adminapi.Key) bool { return k.Replicas != nil }) {
		v.unknown = errors.New("the application has no list of revocations, or its store does not answer")
	}
	return v, nil
}

func (p *adminPlace) change(ctx context.Context, path string, asked ringChange) (before, after adminapi.Ring, err error) {
	if err := p.client.call(ctx, "/keys", nil, &before); err != nil {
		return before, after, err
	}
	return before, after, p.client.call(ctx, path, asked, &after)
}

func (p *adminPlace) Close() error { return nil }

// An editorPlace is a ring that this process reads and writes.
type editorPlace struct {
	opened   openedRing
	flags    *listFlags
	registry revlog.Registrar // nil: not opened yet
	close    []func() error
}

func (f *placeFlags) editor(ctx context.Context) (ringPlace, error) {
	opened, err := f.openRing(ctx)
	if err != nil {
		return nil, err
	}
	return &editorPlace{opened: opened, flags: &f.listFlags, close: []func() error{opened.Close}}, nil
}

func (p *editorPlace) ring(ctx context.Context) (ringView, error) {
	return p.view(ctx, p.opened.Ring(), time.Now()), nil
}

// view describes r with what is known of the use of its keys.
func (p *editorPlace) view(ctx context.Context, r *keys.Ring, now time.Time) ringView {
	running, err := p.replicas(ctx)
	d := adminapi.ReportedRing(r, now, running, keys.MeterFor(p.opened))
	if err != nil {
		d = d.WithoutReplicas()
	}
	return ringView{d, err}
}

var errNoRegistry = errors.New("name the list of revocations with --redis URL, or ask an application with --admin URL")

// registryTime is how long to wait for what the replicas report. The ring can be changed without.
const registryTime = 5 * time.Second

// replicas returns the replicas that read the list of the ring.
func (p *editorPlace) replicas(ctx context.Context) ([]revlog.Replica, error) {
	if p.flags.redis == "" {
		return nil, errNoRegistry
	}
	ctx, cancel := context.WithTimeout(ctx, registryTime)
	defer cancel()
	if p.registry == nil {
		s, closeStore, err := p.flags.store(ctx)
		if err != nil {
			return nil, err
		}
		p.registry = s.(*redisstore.Store)
		p.close = append(p.close, closeStore)
	}
	return p.registry.Replicas(ctx)
}

func (p *editorPlace) change(ctx context.Context, _ string, asked ringChange) (before, after adminapi.Ring, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	err = p.opened.Edit(audit.Recorded(ctx), func(r *keys.Ring) (*keys.Ring, error) {
		now := time.Now()
		before = adminapi.RingOf(r, now)
		next, err := asked.Change(r, now, func(r *keys.Ring, now time.Time) adminapi.Ring { return p.view(ctx, r, now).Ring })
		if err == nil {
			after = adminapi.RingOf(next, now)
		}
		return next, err
	})
	return before, after, err
}

func (p *editorPlace) Close() (err error) {
	for _, c := range p.close {
		err = errors.Join(err, c())
	}
	return err
}
