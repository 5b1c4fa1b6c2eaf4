package console

import (
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation"
)

// fleetWait is how long the replicas are waited for.
const fleetWait = 15 * time.Second

// standing is an event for each replica that is found, and for each that confirms.
type standing struct {
	ID      string `json:"id"`
	Host    string `json:"host"`
	Refuses bool   `json:"refuses"`
	AfterMS int64  `json:"after_ms"` // since the stream began
}

// finished is the last event.
type finished struct {
	Complete bool     `json:"complete"` // every registered replica refuses
	Refusing int      `json:"refusing"`
	TookMS   int64    `json:"took_ms"` // until the last of those did
	Behind   []string `json:"behind"`  // ids of those that have not confirmed
}

// fleet streams which replicas refuse what a receipt is of, until all do.
func (c *console) fleet(w http.ResponseWriter, r *http.Request) {
	s, done, ok := c.open(w, r)
	if !ok {
		return
	}
	defer done()
	if !s.begin() {
		return
	}
	got, err := c.list.AwaitFleet(s.ctx, revocation.Receipt{AsOf: r.URL.Query().Get("as_of")}, fleetWait, func(at revocation.Standing) {
		s.send("replica", standing{at.Replica.ID, at.Replica.Host, at.Refuses, at.After.Milliseconds()})
	})
	f := adminapi.FleetOf(got, err == nil)
	d := finished{f.Complete, f.Refusing, f.TookMS, []string{}}
	for _, b := range f.Behind {
		d.Behind = append(d.Behind, b.ID)
	}
	s.send("done", d)
	s.end()
}
