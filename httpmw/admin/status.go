package admin

import (
	"time"

	"github.com/wafer-sessions/wafer/revocation"
)

// statusAnswer is the list as the replica that was asked sees it.
type statusAnswer struct {
	Ready    bool      `json:"ready"`
	State    string    `json:"state"`  // booting, synced, stale, cut_off, closed, disabled
	Age      float64   `json:"age"`    // of the view, seconds
	Window   float64   `json:"window"` // how far back the view reaches, seconds
	Position string    `json:"position"`
	Entries  int64     `json:"entries"` // in the window
	Bytes    int64     `json:"bytes"`   // what the window takes
	Outbox   int       `json:"outbox"`  // revocations that the store has not acknowledged yet
	Promise  promise   `json:"promise"`
	Counters counters  `json:"counters"`
	Now      time.Time `json:"now"`
}

// promise is what the list was configured with, seconds.
type promise struct {
	Within  float64 `json:"within"`   // a revocation is refused by then
	Grace   float64 `json:"grace"`    // and by then where the store cannot be reached
	MaxIdle float64 `json:"max_idle"` // of any session of this process
}

type counters struct {
	Decisions    map[string]uint64 `json:"decisions"`
	Refusals     map[string]uint64 `json:"refusals"`
	Confirms     map[string]uint64 `json:"confirms"`
	Reads        map[string]uint64 `json:"reads"`
	Writes       map[string]uint64 `json:"writes"`
	Anomalies    map[string]uint64 `json:"anomalies"`
	Acknowledged uint64            `json:"acknowledged"` // revocations of this replica that the store took
	Full         uint64            `json:"full"`         // those that could not even wait for it
	Terms        uint64            `json:"terms"`        // new primaries of the store
	Pauses       uint64            `json:"pauses"`       // of this process
}

func (a *api) status(*call) (any, error) {
	s := a.list.Stats()
	return statusAnswer{
		Ready: a.list.Ready(), State: s.State, Age: s.Age.Seconds(), Window: s.Window.Seconds(),
		Position: s.Position, Entries: s.Entries, Bytes: s.Bytes, Outbox: s.Outbox,
		Promise:  promise{Within: a.list.Replica().Within().Seconds(), Grace: a.list.Replica().Grace().Seconds(), MaxIdle: a.list.Replica().MaxIdle().Seconds()},
		Counters: countersOf(s),
		Now:      time.Now().UTC(),
	}, nil
}

func countersOf(s revocation.Stats) counters {
	return counters{
		Decisions: counted(s.Decisions), Refusals: counted(s.Refusals), Confirms: counted(s.Confirms),
		Reads: counted(s.Reads), Writes: counted(s.Writes),
		Acknowledged: s.Acknowledged, Full: s.Full, Terms: s.Terms, Pauses: s.Pauses, Anomalies: counted(s.Anomalies),
	}
}

// counted makes an empty object of what was not counted yet.
func counted(n map[string]uint64) map[string]uint64 {
	if n == nil {
		return map[string]uint64{}
	}
	return n
}
