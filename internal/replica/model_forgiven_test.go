package replica_test

import (
	"os"
	"strings"
	"testing"

	. "github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// An exemption is something that the model forgives.
type exemption struct {
	name string
	what string
	from uint64 // where to begin looking for a history that needs it
}

// exemptions is all that the model forgives: what the promises of docs/protocol.md
// leave open, and then what it does not promise.
var exemptions = []exemption{
	// An ended session is accepted.
	{"on its way", "the store has the revocation, and this replica has not read the store since then; it may be S late", 0},
	{"out of touch", "this replica has not read the primary for longer than S; it may accept for G", 0},
	{"out of reach", "the store lost the revocation, and no replica that knows of it has reached the store for S", 0},
	{"nobody left", "the store lost the revocation, and no running replica knows of it", 0},
	{"forgotten early", "the store's clock jumped ahead by more than the retention, and the store forgot an entry that this replica had not read", 11200},
	{"two log times", "the watermark or the session comes from a server that is not the primary, or the watermark was set just after a failover or a loss: it only ends sessions that began 2 S before it; data that was loaded then is loaded once more", 6100},
	{"lost time", "the store also lost its log time, and the replica that revoked had just booted: its \"now\" was earlier than times that others had seen", 1600},
	{"successor elsewhere", "a session ended at one primary, and a successor of it was made at the other", 3300},
	// A session is refused that nothing ended.
	{"list lost", "the store lost data, and no replica can tell whether the session was revoked", 0},
	{"clock set", "the store's clock was set: log time jumped and the list forgot early, or a watermark reaches too far", 0},
	{"alone", "the session began while its replica did not hear from the primary: it is refused for an earlier revocation", 0},
	{"anonymous", "an anonymous session began at a replica that had not read yet that everyone was revoked", 0},
	{"two primaries", "two servers took revocations at once: the watermark of one reaches sessions that began at the other", 0},
	{"lost watermark", "the store lost a watermark and its log time, and only the watermark came back: it reaches sessions that began in the next 3 S", 3500},
}

// excuse names the exemption by which rev may fail to end t although it is known.
func (h *history) excuse(rev *modelRevocation, t *modelToken) string {
	for s := t.s; s != nil; s = s.parent {
		if s.kept && !rev.names(t, t.s) {
			return "successor elsewhere"
		}
	}
	switch {
	case rev.global() || !rev.before.IsZero():
		return ""
	case rev.timeless:
		return "lost time"
	case (rev.apart || t.s.apart) && !t.s.done.Before(rev.called.Add(-2*modelS)):
		return "two log times"
	case rev.key.Effect == revlog.Reload && (rev.apart || t.apart) && !t.loaded.Before(rev.called.Add(-2*modelS)):
		return "two log times"
	}
	return ""
}

// mistake names the exemption by which t may be refused for a reason although
// nothing ended it.
func (h *history) mistake(t *modelToken, why Reason) string {
	switch why {
	case ListLost:
		if !h.upset.IsZero() {
			return "list lost"
		}
		return ""
	case Stale:
		if h.clocks {
			return "clock set"
		}
		if t.s.alone {
			return "alone"
		}
		return ""
	}
	for _, rev := range h.revoked {
		if !by(why, rev.key.Scope) || !rev.names(t, t.s) {
			continue
		}
		lost := !h.upset.Before(rev.acked)
		switch {
		case t.s.alone:
			return "alone"
		case h.clocks && rev.key.Scope == revlog.ScopeGroup && t.s.joined(rev.name) && h.sim.primary.head().MS-rev.at > h.shortest.Milliseconds():
			return "clock set" // at the switch the store had forgotten that, and this replica has not (R22)
		case t.s.user == "" && t.s.since.Sub(rev.acked) < 2*modelS:
			return "anonymous"
		case h.split:
			return "two primaries"
		case lost && t.s.since.Sub(rev.acked) < 3*modelS:
			return "lost watermark"
		case lost && h.clocks:
			return "clock set"
		}
	}
	return ""
}

// wronglyAsked names the exemption by which something may be asked of t although nobody wants that.
func (h *history) wronglyAsked(t *modelToken, asks revlog.Asks) string {
	for _, rev := range h.revoked {
		if rev.key.Effect.Asks() != asks || !rev.names(t, t.s) {
			continue
		}
		lost := !h.upset.Before(rev.acked)
		switch {
		case t.s.alone || t.alone:
			return "alone"
		case t.s.user == "" && t.s.since.Sub(rev.acked) < 2*modelS:
			return "anonymous"
		case h.split:
			return "two primaries"
		case rev.key.Effect == revlog.Reload && t.elsewhere:
			return "two log times"
		case h.clocks && rev.key.Scope == revlog.ScopeGroup && t.s.joined(rev.name) && h.sim.primary.head().MS-rev.at > h.shortest.Milliseconds():
			return "clock set" // as for a mistake
		case lost && t.s.since.Sub(rev.acked) < 3*modelS, lost && t.loaded.Sub(rev.acked) < 3*modelS:
			return "lost watermark"
		case lost && h.clocks:
			return "clock set"
		}
	}
	return ""
}

// searched is how many histories are looked through for one that shows something. The
// first is found at once as long as nothing changes what histories do.
const searched = 30_000

// A model that forgives what never happens proves less than it could. Without each
// exemption some history has to fail.
func TestModelNeedsEveryExemption(t *testing.T) {
	if *modelHistories < 10_000 {
		t.Skip("thousands of histories: make test runs them, with -model.histories=10000")
	}
	for _, e := range exemptions {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			for seed := e.from + 1; seed < e.from+searched; seed++ {
				if h := playModel(t, seed, &weakness{}, e.name); h.failed != "" {
					t.Logf("needed by history %d: %s", seed, h.failed)
					return
				}
			}
			t.Errorf("%d histories do without it", searched)
		})
	}
}

// docs/protocol.md says the same.
func TestModelExemptionsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exemptions {
		if row := "| " + e.name + " | " + e.what + " |\n"; !strings.Contains(string(page), row) {
			t.Errorf("docs/protocol.md lacks: %s", row)
		}
	}
}
