package httpmw

import (
	"context"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// by says for the audit records of revocations that the subject with this tag makes them, unless ctx
// says who does. why is what the subject did.
func (s *state) by(ctx context.Context, subject revlog.Tag, why EventKind) context.Context {
	if _, said := audit.From(ctx); said {
		return ctx
	}
	b := audit.By{Reason: string(why), Via: audit.ViaSession}
	if subject != (revlog.Tag{}) {
		b.Actor = "subject:" + subject.String()
	}
	if s.request != nil {
		b.Address = s.request.RemoteAddr
	}
	return audit.With(ctx, b)
}

// tagOf returns the tag of a subject, and the zero tag for none.
func (s *state) tagOf(subject string) (t revlog.Tag) {
	if subject == "" {
		return t
	}
	return s.core.list.Tag(revocation.Subject(subject))
}

// reasons are what a subject does that ends its session and begins another.
var reasons = map[replica.Kind]EventKind{
	replica.Relogin: EventLogin, replica.SetGroups: EventSetGroups, replica.Others: EventLogoutOthers,
}
