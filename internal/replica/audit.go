package replica

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// An auditor writes the records of what this replica revokes, and remembers who made the
// newest revocations.
type auditor struct {
	handler slog.Handler

	mu    sync.Mutex // owns known and order
	known map[revlog.Position]audit.By
	order []revlog.Position // of known, oldest first
}

// sayings is how many revocations an auditor remembers the maker of.
const sayings = 1024

// recorded is what a record says of a write.
type recorded struct {
	all     []revlog.Assertion
	written revlog.Written // without results: the store did not acknowledge it
	quiet   bool           // it went past the log
}

// revoked writes a record for each revocation of d. err says that it failed, or what is
// wrong all the same, as when too few store replicas have it.
func (a *auditor) revoked(ctx context.Context, d recorded, err error) {
	if errors.Is(err, revlog.ErrFuture) || errors.Is(err, ErrUnderWay) {
		return // nothing was done because of what was asked for, and the caller has the error
	}
	by, named := audit.From(ctx)
	for i, asserted := range d.all {
		e := asserted.Entry()
		r := audit.Record{Action: audit.Revoke, Target: auditTarget(e), Quiet: d.quiet}
		r.Effect, r.Over = AuditedEffect(e)
		if err != nil {
			r.Error = err.Error()
		}
		if i < len(d.written.Results) {
			of := d.written.Results[i]
			r.Changed = of.Changed
			if !e.Key().Always() {
				r.Since = time.UnixMilli(of.W)
			}
			inList(&r, of.Position, d.written.Head)
			if named && of.Changed && !d.quiet && by.Via != audit.ViaSession {
				a.remember(of.Position, by)
			}
		}
		r.Write(ctx, a.handler)
	}
}

// succeeded writes the records of the revocations that a succession made. A refused one made
// none. One that was not acknowledged may have made them.
func (a *auditor) succeeded(ctx context.Context, s revlog.Succession, w revlog.Written, err error) {
	if w.Refused == nil {
		a.revoked(ctx, recorded{all: s.Assertions, written: w}, err)
	}
}

// many writes the record of the end of a RevokeMany that has written n revocations.
func (a *auditor) many(ctx context.Context, n int, changed bool, head revlog.Head, err error) {
	r := audit.Record{Action: audit.RevokeMany, Quiet: true, Count: n, Changed: changed}
	if head.ID != (revlog.ListID{}) {
		inList(&r, head.Position(), head)
	}
	if err != nil {
		r.Error = err.Error()
	}
	r.Write(ctx, a.handler)
}

func auditTarget(e revlog.Entry) audit.Target {
	return audit.Target{Scope: e.Scope.String(), Tag: e.Tag.String()}
}

// AuditedEffect returns how the record of e names its effect.
func AuditedEffect(e revlog.Entry) (effect string, over time.Duration) {
	switch e.Does() {
	case revlog.End:
		return "", 0
	case revlog.EndSlowly:
		return "", e.Over()
	}
	return e.Does().String(), 0
}

// inList says where r is: at a position of a list with the head h.
func inList(r *audit.Record, at revlog.Position, h revlog.Head) {
	r.List, r.Chain = hex.EncodeToString(h.ID[:]), hex.EncodeToString(h.Chain[:])
	r.Position, r.Head = at.String(), h.Position().String()
}

// remember notes who made the entry at a position.
func (a *auditor) remember(at revlog.Position, by audit.By) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = map[revlog.Position]audit.By{}
	}
	if len(a.order) == sayings {
		delete(a.known, a.order[0])
		a.order = a.order[1:]
	}
	a.known[at], a.order = by, append(a.order, at)
}

// by returns who made the entry at a position, if this replica wrote it lately.
func (a *auditor) by(at revlog.Position) (audit.By, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	by, ok := a.known[at]
	return by, ok
}
