package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/httpmw"
)

// Revoke ends the session of a token: RFC 7009.
func (e *Endpoints) Revoke(w http.ResponseWriter, r *http.Request) {
	begin(w)
	client, t, refused := e.receive(w, r)
	if refused != nil {
		e.revoked.refuse(w, refused)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	by := audit.By{Actor: "client:" + client, Address: r.RemoteAddr, Reason: "token revocation"}
	err := e.end(audit.With(ctx, by), t)
	switch {
	case err == nil:
		e.revoked.add(ended)
		w.WriteHeader(http.StatusOK)
	case errors.Is(err, errUnsupported), errors.Is(err, httpmw.ErrNoLogin):
		e.revoked.refuse(w, unsupported("This endpoint cannot revoke tokens of this kind."))
	case errors.Is(err, httpmw.ErrInvalid), errors.Is(err, httpmw.ErrRevoked):
		e.revoked.add(ignored)
		w.WriteHeader(http.StatusOK) // nobody accepts it (RFC 7009 section 2.2)
	default:
		e.warn(ctx, "oauth: revocation not acknowledged", slog.String("client", client), slog.Any("error", err))
		e.revoked.refuse(w, unavailable("The revocation is not confirmed yet. Send it again."))
	}
}

var errUnsupported = errors.New("oauth: tokens of this kind are not revoked here")

// end returns nil once the store has the revocation of the token's session.
func (e *Endpoints) end(ctx context.Context, t token) error {
	return e.withKey(ctx, func() error {
		switch {
		case t.kind == bearer:
			return e.of.revoke(ctx, t.first)
		case t.kind == cookies && e.config.Cookies:
			return e.of.revokeCookies(ctx, t.first, t.others...)
		case t.kind != unknown:
			return errUnsupported
		}
		return httpmw.ErrInvalid
	})
}
