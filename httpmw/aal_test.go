package httpmw_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/internal/bubble"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Each number of NIST SP 800-63B-4 has a test of its own.

func TestAAL1OverallIs30Days(t *testing.T) { // section 2.1.3, SHOULD
	overall(t, httpmw.AAL1, 30*24*time.Hour)
}

func TestAAL1NeedsNoIdleLimit(t *testing.T) { // section 2.1.3, MAY
	if got := httpmw.AAL1.Limits().Idle; got != 0 {
		t.Errorf("%v", got)
	}
}

func TestAAL2OverallIs24Hours(t *testing.T) { // section 2.2.3, SHOULD
	overall(t, httpmw.AAL2, 24*time.Hour)
}

func TestAAL2IdleIsOneHour(t *testing.T) { // section 2.2.3, SHOULD
	idle(t, httpmw.AAL2, time.Hour)
}

func TestAAL3OverallIs12Hours(t *testing.T) { // section 2.3.3, SHALL
	overall(t, httpmw.AAL3, 12*time.Hour)
}

func TestAAL3IdleIs15Minutes(t *testing.T) { // section 2.3.3, SHOULD
	idle(t, httpmw.AAL3, 15*time.Minute)
}

func TestAALNeedsFactors(t *testing.T) { // sections 2.1, 2.2.1 and 2.3.2
	for level, want := range map[httpmw.AAL][]string{httpmw.AAL1: nil, httpmw.AAL2: {"mfa"}, httpmw.AAL3: {"mfa", "hwk"}} {
		if diff := cmp.Diff(want, level.Requirements().Methods); diff != "" {
			t.Errorf("AAL%d: %s", level, diff)
		}
	}
}

func TestAALThatDoesNotExist(t *testing.T) {
	for _, level := range []httpmw.AAL{0, 4} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("AAL%d has limits", level)
				}
			}()
			level.Limits()
		}()
	}
}

// atLevel makes a replica whose sessions have the limits of a level.
func atLevel(t *testing.T, level httpmw.AAL) *fixture {
	ring := keys.Generate(30 * 24 * time.Hour)
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	l := level.Limits()
	m, err := httpmw.New[cart](keys.Static(ring), list, httpmw.Config{Idle: l.Idle, Absolute: l.Absolute, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{m, ring, nil, list}
}

// overall checks that a session of a level ends after that time, and that a route that requires the
// level refuses a login that is longer ago.
func overall(t *testing.T, level httpmw.AAL, want time.Duration) {
	bubble.Test(t, func(t *testing.T) {
		f := atLevel(t, level)
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		if got := f.endOf(b).Sub(time.Unix(time.Now().Unix(), 0)); got != want {
			t.Errorf("a session ends after %v", got)
		}
	})
	if got := level.Requirements().LoginWithin; got != want {
		t.Errorf("a route requires a login within %v", got)
	}
}

// idle checks that a session of a level that is not used ends after that time.
func idle(t *testing.T, level httpmw.AAL, want time.Duration) {
	bubble.Test(t, func(t *testing.T) {
		f := atLevel(t, level)
		b := newBrowser()
		f.login(t, b, httpmw.Identity{Subject: "ann"})
		time.Sleep(want - time.Second)
		if subject, err := f.look(b.copy()); subject != "ann" || err != nil {
			t.Errorf("a second before: %q, %v", subject, err)
		}
		time.Sleep(time.Second)
		if _, err := f.look(b); !errors.Is(err, httpmw.ErrExpiredIdle) {
			t.Errorf("then: %v", err)
		}
	})
}

// A session of a lower level is refused by a route of a higher one, until a login of that level.
func TestAALOfARoute(t *testing.T) {
	f := newFixture(t, httpmw.Config{})
	b := newBrowser()
	for _, row := range []struct {
		methods []string
		level   httpmw.AAL
	}{
		{[]string{"pwd"}, httpmw.AAL1}, {[]string{"pwd", "otp", "mfa"}, httpmw.AAL2}, {[]string{"pin", "hwk", "mfa"}, httpmw.AAL3},
	} {
		f.login(t, b, httpmw.Identity{Subject: "ann", Methods: row.methods})
		for level := httpmw.AAL1; level <= httpmw.AAL3; level++ {
			want := http.StatusOK
			if level > row.level {
				want = http.StatusUnauthorized
			}
			res := b.get(f.RequireThat(level.Requirements())(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			if res.StatusCode != want {
				t.Errorf("%q at AAL%d: %d", row.methods, level, res.StatusCode)
			}
		}
	}
}
