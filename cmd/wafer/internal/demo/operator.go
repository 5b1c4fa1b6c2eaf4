package demo

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/revocation"
)

const (
	reader   = "reader" // the role of everybody who has no other
	editor   = "editor"
	maxRoles = 10_000
	rolesKey = "{wafer-demo}:roles"
	rolesTTL = 24 * time.Hour

	everybodyOver = time.Minute
)

// roles is the demo's database: who has which role. It is in memory, or in the Redis that several
// demos share.
type roles struct {
	client redis.UniversalClient // nil: in memory

	mu sync.Mutex // guards of
	of map[string]string
}

func (r *roles) get(ctx context.Context, user string) (string, error) {
	if r.client != nil {
		role, err := r.client.HGet(ctx, rolesKey, user).Result()
		if errors.Is(err, redis.Nil) {
			return reader, nil
		}
		return role, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if role, ok := r.of[user]; ok {
		return role, nil
	}
	return reader, nil
}

func (r *roles) set(ctx context.Context, user, role string) error {
	if r.client != nil {
		_, err := r.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.HSet(ctx, rolesKey, user, role)
			p.Expire(ctx, rolesKey, rolesTTL)
			return nil
		})
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil || len(r.of) >= maxRoles {
		r.of = map[string]string{}
	}
	r.of[user] = role
	return nil
}

// reload gives a session the role that its user has now. The rest stays.
func (r *replica) reload(ctx context.Context, s *httpmw.Session[Data]) (Data, error) {
	next := s.Value()
	var err error
	next.Role, err = r.roles.get(ctx, s.Subject())
	return next, err
}

// changeRole makes a reader an editor, and an editor a reader. All sessions of the user load the role
// again.
func (r *replica) changeRole(w http.ResponseWriter, req *http.Request) {
	user := r.sessions.From(req.Context()).Subject()
	role, err := r.roles.get(req.Context(), user)
	if err == nil {
		role = map[string]string{reader: editor}[role]
		if role == "" {
			role = reader
		}
		err = r.roles.set(req.Context(), user, role)
	}
	if err == nil {
		_, err = r.list.Reload(req.Context(), revocation.Subject(user), revocation.Options{})
	}
	if err != nil {
		r.fail(w, req, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"role": role, "replica": r.number})
}

// requireLogin lets all sessions of the user wait for a login.
func (r *replica) requireLogin(s *httpmw.Session[Data], ctx context.Context) error {
	_, err := r.list.RequireLogin(ctx, revocation.Subject(s.Subject()), revocation.Options{})
	return err
}

// everybodyOut ends all sessions, one after another.
func (r *replica) everybodyOut(_ *httpmw.Session[Data], ctx context.Context) error {
	_, err := r.list.Revoke(ctx, revocation.Everyone(), revocation.Options{Over: everybodyOver})
	return err
}
