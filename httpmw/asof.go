package httpmw

import (
	"context"
	"net/http"

	"github.com/wafer-sessions/wafer/revocation"
)

// AsOfHeader is the request header with the receipt of a revocation, see [SetAsOf].
const AsOfHeader = "Wafer-As-Of"

// SetAsOf puts the receipt of a revocation, a RequireLogin or a Reload into the headers of a request to
// another service with sessions of the same ring and list. The other service never decides about the
// session of that request from before that call: it reads the list once if its view is older, and if
// that is not enough, the session is undecided (503). A service that calls a third one passes the header
// on. Without it nothing is read.
//
// Anybody can send the header. It proves nothing and permits nothing, and one that is made up only
// gets its own sender 503, after one read of the list at the most.
func SetAsOf(out http.Header, r revocation.Receipt) { out.Set(AsOfHeader, r.AsOf) }

// asOf returns the receipts that the request brings. More than one is an error.
func (s *state) asOf() []string {
	if s.request == nil {
		return nil
	}
	return s.request.Header[AsOfHeader]
}

// AsOf decides about the session again, from no earlier than the call whose Receipt.AsOf is
// given: a receipt that came in a message or from a database. It reads the list once if this
// replica's view is older. The error is the one that Err returns afterwards, and ErrUndecided if
// that read was not enough. Without a session it is nil.
func (s *Session[T]) AsOf(ctx context.Context, receipt string) error {
	st := s.st.state
	st.read()
	defer st.mu.Unlock()
	if st.status == none {
		return st.err()
	}
	next := st.opened
	next.status, next.why, next.asOf = none, nil, []string{receipt}
	st.core.decide(ctx, &next)
	if next.status == none {
		return st.refused(next.why)
	}
	next.asOf = st.opened.asOf
	st.opened = next
	if next.reloaded { // an Update that is under way begins again
		st.version++
	}
	return st.err()
}
