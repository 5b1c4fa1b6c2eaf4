package audit_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/audit"
)

// A Trail shows the newest records first, as lines that Parse reads, and hands every record on.
func TestTrail(t *testing.T) {
	var next bytes.Buffer
	trail := audit.NewTrail(slog.NewJSONHandler(&next, nil))
	for i := range 3 {
		audit.Record{Action: audit.Keys, Ring: audit.Change{What: fmt.Sprint(i)}}.Write(t.Context(), trail)
	}
	slog.New(trail).Info("another line")
	slog.New(trail).Debug("and one")
	audit.Record{Action: audit.Refused, Call: audit.Call{Code: "host", Method: "GET"}}.Write(t.Context(), trail)
	var got []string
	for _, line := range trail.Newest(3) {
		r, err := audit.Parse(line)
		if err != nil || bytes.Contains(line, []byte("\n")) {
			t.Fatalf("%q: %v", line, err)
		}
		got = append(got, r.Action+r.Ring.What)
	}
	if diff := cmp.Diff([]string{"refused", "keys2", "keys1"}, got); diff != "" {
		t.Errorf("newest (-want +got):\n%s", diff)
	}
	if n := strings.Count(next.String(), "\n"); n != 5 || strings.Contains(next.String(), "and one") {
		t.Errorf("handed on: %s", next.String())
	}
	for _, n := range []int{0, -1} {
		if got := trail.Newest(n); len(got) != 0 {
			t.Errorf("Newest(%d): %d", n, len(got))
		}
	}
}

// What users do, and what comes in bulk, does not push out what operators did.
func TestATrailKeepsWhatOperatorsDid(t *testing.T) {
	trail := audit.NewTrail(slog.DiscardHandler)
	ops := audit.With(t.Context(), audit.By{Actor: "ops", Via: audit.ViaAdmin})
	user := audit.With(t.Context(), audit.By{Actor: "subject:" + tag, Via: audit.ViaSession})
	target := audit.Target{Scope: "session", Tag: tag}
	audit.Record{Action: audit.Revoke, Target: target}.Write(ops, trail)
	for range 3 * audit.TrailSize {
		audit.Record{Action: audit.Revoke, Target: target}.Write(user, trail)
		audit.Record{Action: audit.Revoke, Target: target, Quiet: true}.Write(ops, trail)
	}
	all := trail.Newest(10 * audit.TrailSize)
	if len(all) != audit.TrailSize+1 {
		t.Fatalf("%d records", len(all))
	}
	if oldest := string(all[len(all)-1]); !strings.Contains(oldest, `"actor":"ops"`) || strings.Contains(oldest, "quiet") {
		t.Errorf("the oldest is %s", oldest)
	}
	for i := range 2 * audit.TrailSize {
		audit.Record{Action: audit.Keys, Ring: audit.Change{What: fmt.Sprint(i)}}.Write(ops, trail)
	}
	if all := trail.Newest(1); !strings.Contains(string(all[0]), fmt.Sprintf(`"what":"%d"`, 2*audit.TrailSize-1)) {
		t.Errorf("the newest is %s", all[0])
	}
	if n := len(trail.Newest(10 * audit.TrailSize)); n != 2*audit.TrailSize {
		t.Errorf("%d records", n)
	}
}

// Loggers made of a Trail keep records in the same place.
func TestATrailWithAttributes(t *testing.T) {
	var next bytes.Buffer
	trail := audit.NewTrail(slog.NewJSONHandler(&next, nil))
	of := trail.WithAttrs([]slog.Attr{slog.Int("replica", 2)})
	audit.Record{Action: audit.Keys}.Write(t.Context(), of)
	audit.Record{Action: audit.Keys}.Write(t.Context(), of.WithGroup("g"))
	all := trail.Newest(10)
	if len(all) != 2 || !strings.Contains(string(all[0]), `"replica":2`) || strings.Count(next.String(), `"replica":2`) != 2 {
		t.Errorf("%s\n%s", all, next.String())
	}
	for _, line := range all {
		if _, err := audit.Parse(line); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// A Trail keeps records also where the handler behind it wants none of them.
func TestATrailBeforeAQuietHandler(t *testing.T) {
	trail := audit.NewTrail(slog.NewJSONHandler(new(bytes.Buffer), &slog.HandlerOptions{Level: slog.LevelError + 1}))
	audit.Record{Action: audit.Keys}.Write(t.Context(), trail)
	if len(trail.Newest(1)) != 1 {
		t.Error("it is lost")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				audit.Record{Action: audit.Keys}.Write(t.Context(), trail)
				trail.Newest(5)
			}
		})
	}
	wg.Wait()
	if n := len(trail.Newest(10_000)); n != 801 {
		t.Errorf("%d records", n)
	}
}
