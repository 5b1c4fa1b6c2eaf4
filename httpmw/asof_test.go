package httpmw_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// asked sends a request of b with the header, and returns the status of a page that needs a login.
func (f *fixture) asked(b *browser, receipts ...string) int {
	r := b.request()
	for _, text := range receipts {
		r.Header.Add(httpmw.AsOfHeader, text)
	}
	w := httptest.NewRecorder()
	f.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) })).ServeHTTP(w, r)
	return w.Code
}

// stuck lets reads of the log return what it held when stuck was called, until the returned function
// is called.
func (f *fixture) stuck(t *testing.T) (release func()) {
	t.Helper()
	store := f.store.Unwrap()
	first := sync.OnceValues(func() (revlog.Page, error) {
		return store.Read(t.Context(), revlog.Cursor{List: f.list.Replica().ListID(), Limit: 1000})
	})
	first()
	f.store.Hook(func(h *revlogtest.Hooks) {
		h.Read = func(context.Context, revlog.Cursor) (revlog.Page, error) { return first() }
	})
	return f.store.Recover
}

func TestR35AReceiptIsNeverDecidedOnAnOlderView(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, memory := keys.Generate(0), revlog.NewMemory()
		a, b := newReplica(t, ring, memory, httpmw.Config{}), newReplica(t, ring, memory, httpmw.Config{})
		ann, bob := newBrowser(), newBrowser()
		a.login(t, ann, httpmw.Identity{Subject: "ann"})
		a.login(t, bob, httpmw.Identity{Subject: "bob"})
		time.Sleep(time.Second)
		release := b.stuck(t)
		receipt, err := a.list.Revoke(t.Context(), revocation.Subject("ann"), revocation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name    string
			browser *browser
			want    int
			as      []string
		}{
			{"no receipt: within S of the revocation", ann, 200, nil},
			{"the receipt, and a view from before", ann, 503, []string{receipt.AsOf}},
			{"of somebody who is not revoked", bob, 503, []string{receipt.AsOf}},
			{"two receipts", bob, 503, []string{receipt.AsOf, receipt.AsOf}},
		} {
			if got := b.asked(tt.browser, tt.as...); got != tt.want {
				t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
			}
		}
		release()
		if got := b.asked(ann, receipt.AsOf); got != 401 {
			t.Errorf("one read is enough: %d", got)
		}
		if got := b.asked(bob, receipt.AsOf); got != 200 {
			t.Errorf("of somebody who is not revoked, after a read: %d", got)
		}
	})
}

// Most often the read is needed, and is enough: the request comes right after the revocation.
func TestR35OneReadIsEnough(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, memory := keys.Generate(0), revlog.NewMemory()
		a, b := newReplica(t, ring, memory, httpmw.Config{}), newReplica(t, ring, memory, httpmw.Config{})
		for i := range 20 {
			ann := newBrowser()
			a.login(t, ann, httpmw.Identity{Subject: "ann"})
			time.Sleep(time.Duration(i) * 37 * time.Millisecond)
			receipt, err := a.list.Revoke(t.Context(), revocation.Subject("ann"), revocation.Options{})
			if err != nil {
				t.Fatal(err)
			}
			out := http.Header{}
			httpmw.SetAsOf(out, receipt)
			begun := time.Now()
			if got := b.asked(ann, out.Get(httpmw.AsOfHeader)); got != 401 {
				t.Errorf("%d", got)
			}
			if took := time.Since(begun); took > 200*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		}
	})
}

// forged returns the receipt of list with other numbers.
func forged(t *testing.T, receipt string, ms, n int64) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(receipt)
	if err != nil {
		t.Fatal(err)
	}
	six := func(at int, v int64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(v))
		copy(raw[at:], b[2:])
	}
	six(20, ms)
	six(26, n)
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Somebody with a session sends receipts from the future. Each gets 503 after one read at the most,
// all of them together make the replica read no more than twice as often, and nobody else notices.
func TestR35ReceiptsFromTheFuture(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		mallory, ann := newBrowser(), newBrowser()
		f.login(t, mallory, httpmw.Identity{Subject: "mallory"})
		f.login(t, ann, httpmw.Identity{Subject: "ann"})
		receipt, err := f.list.Revoke(t.Context(), revocation.Subject("bob"), revocation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		now := time.Now().UnixMilli()
		evil := []string{
			forged(t, receipt.AsOf, now+1000, 1), forged(t, receipt.AsOf, now+time.Hour.Milliseconds(), 1<<40),
			forged(t, receipt.AsOf, 1<<48-1, 1<<48-1), forged(t, receipt.AsOf, now, 1<<48-1),
		}
		reads, confirms := f.store.Reads(), f.store.Confirms()
		var wg sync.WaitGroup
		for range 25 {
			for _, text := range evil {
				wg.Go(func() {
					for range 20 {
						begun := time.Now()
						if got := f.asked(mallory.copy(), text); got != 503 && got != 200 { // some become the past
							t.Errorf("%d", got)
						}
						if took := time.Since(begun); took > 250*time.Millisecond {
							t.Errorf("a request took %v", took)
						}
					}
				})
			}
		}
		begun := time.Now()
		wg.Wait()
		took := time.Since(begun)
		if n := f.store.Reads() - reads; n > int(took/(100*time.Millisecond))+3 {
			t.Errorf("2,000 requests caused %d reads in %v", n, took)
		}
		if n := f.store.Confirms() - confirms; n > 0 {
			t.Errorf("%d questions", n)
		}
		if got := f.asked(ann); got != 200 {
			t.Errorf("somebody else: %d", got)
		}
		if got := f.asked(mallory, receipt.AsOf); got != 200 {
			t.Errorf("a receipt from the past: %d", got)
		}
		// Nobody without a session makes it read, nor does nonsense.
		time.Sleep(time.Second)
		synctest.Wait() // the read that the last request asked for has ended
		reads = f.store.Reads()
		for range 100 {
			if got := f.asked(newBrowser(), evil[2]); got != 401 {
				t.Errorf("without a session: %d", got)
			}
			for _, text := range []string{"", "x", "1-2", strings.Repeat("A", 1<<16), receipt.AsOf + "A", receipt.AsOf[:42] + "="} {
				if got := f.asked(ann, text); got != 503 {
					t.Errorf("%.50q: %d", text, got)
				}
			}
		}
		if n := f.store.Reads() - reads; n > 0 {
			t.Errorf("%d reads", n)
		}
		if n := f.list.Stats().Anomalies["as_of"]; n != 600 {
			t.Errorf("%d anomalies", n)
		}
	})
}

// A receipt that is kept shuts nobody out for long after the list was lost.
func TestR35AReceiptOfAListThatIsLost(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		receipt, err := f.list.Revoke(t.Context(), revocation.Subject("bob"), revocation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		f.store.Replace(revlog.NewMemory())
		time.Sleep(5 * time.Second)
		ann := newBrowser()
		f.login(t, ann, httpmw.Identity{Subject: "ann"})
		if got := f.asked(ann, receipt.AsOf); got != 503 {
			t.Errorf("right after the loss: %d", got)
		}
		time.Sleep(time.Minute)
		if got := f.asked(ann, receipt.AsOf); got != 200 {
			t.Errorf("a minute after the loss: %d", got)
		}
	})
}

// The store was emptied, and the replica that decides does not know it yet: its own list is old, and
// the receipt is of a newer one.
func TestR35AReceiptOfAListThatIsNotReadYet(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, memory, next := keys.Generate(0), revlog.NewMemory(), revlog.NewMemory()
		a, b := newReplica(t, ring, memory, httpmw.Config{}), newReplica(t, ring, memory, httpmw.Config{})
		ann := newBrowser()
		a.login(t, ann, httpmw.Identity{Subject: "ann"})
		time.Sleep(2 * time.Minute)
		release := b.stuck(t)
		a.store.Replace(next)
		time.Sleep(time.Second)
		receipt, err := a.list.Revoke(t.Context(), revocation.Subject("ann"), revocation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := b.asked(ann, receipt.AsOf); got != 503 {
			t.Errorf("by the list from before: %d", got)
		}
		b.store.Replace(next)
		release()
		time.Sleep(time.Second)
		if got := b.asked(ann, receipt.AsOf); got != 401 {
			t.Errorf("by the new list: %d", got)
		}
	})
}

// Without the header and without AsOf nothing is read, and AsOf reads at most once.
func TestR35AsOfInAHandler(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ring, memory := keys.Generate(0), revlog.NewMemory()
		a, b := newReplica(t, ring, memory, httpmw.Config{}), newReplica(t, ring, memory, httpmw.Config{})
		ann := newBrowser()
		a.login(t, ann, httpmw.Identity{Subject: "ann"})
		time.Sleep(time.Second)
		release := b.stuck(t)
		receipt, err := a.list.Revoke(t.Context(), revocation.Subject("ann"), revocation.Options{})
		if err != nil {
			t.Fatal(err)
		}
		as := func(text string) (err error) {
			b.in(ann.copy(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
				if !s.LoggedIn() {
					t.Error("the session was refused before")
				}
				err = s.AsOf(r.Context(), text)
				if s.LoggedIn() {
					t.Error("somebody is logged in after all")
				}
			})
			return err
		}
		if err := as(receipt.AsOf); err != httpmw.ErrUndecided {
			t.Errorf("by an older view: %v", err)
		}
		release()
		b.in(ann.copy(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.AsOf(r.Context(), receipt.AsOf); !errors.Is(err, httpmw.ErrRevoked) || s.LoggedIn() {
				t.Errorf("after a read: %v", err)
			}
		})
		b.in(newBrowser(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
			if err := s.AsOf(r.Context(), receipt.AsOf); err != nil {
				t.Errorf("without a session: %v", err)
			}
		})
	})
}

func TestR35NoReceiptCostsNothing(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		f := newFixture(t, httpmw.Config{})
		ann := newBrowser()
		f.login(t, ann, httpmw.Identity{Subject: "ann"})
		reads, confirms := f.store.Reads(), f.store.Confirms()
		for range 1000 {
			f.asked(ann)
		}
		if f.store.Reads() != reads || f.store.Confirms() != confirms {
			t.Error("the store was asked")
		}
	})
}
