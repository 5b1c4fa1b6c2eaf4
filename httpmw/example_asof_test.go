package httpmw_test

import (
	"context"
	"net/http"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/revocation"
)

// A service logs somebody out everywhere, and then asks another service in her name. That service
// must not accept her sessions any more, although it may not have read the revocation yet.
func ExampleSetAsOf() {
	logOutAndTell := func(ctx context.Context, list *revocation.List, user string, in *http.Request) error {
		receipt, err := list.Revoke(ctx, revocation.Subject(user), revocation.Options{})
		if err != nil {
			return err
		}
		out, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://billing.internal/close", nil)
		if err != nil {
			return err
		}
		out.Header["Cookie"] = in.Header["Cookie"]
		httpmw.SetAsOf(out.Header, receipt)
		answer, err := http.DefaultClient.Do(out) // 401, or 503 if billing cannot read the list now
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}
	_ = logOutAndTell
}
