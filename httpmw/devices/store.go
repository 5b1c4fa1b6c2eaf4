package devices

import (
	"context"
	"time"
)

// A Device is one session of a subject, as the list shows it.
type Device struct {
	ID        string    `json:"id"`         // of the session, see httpmw.Session.ID
	Name      string    `json:"name"`       // httpmw.Identity.Device; "": the application gave none
	Agent     string    `json:"agent"`      // "Firefox on Linux"; "": the User-Agent does not tell
	LoginTime time.Time `json:"login_time"` // when the subject logged in
	Began     time.Time `json:"began"`      // when the session began, in log time
	Seen      time.Time `json:"seen"`       // when it was used; it may have been used a few minutes later
	Until     time.Time `json:"until"`      // when it ends if it is not used again, as known at Seen
}

// Label returns what a page can call the device: the Name, else the Agent, else "Unknown device".
func (d Device) Label() string {
	switch {
	case d.Name != "":
		return d.Name
	case d.Agent != "":
		return d.Agent
	}
	return "Unknown device"
}

// A Store keeps rows. A row is a Device of an owner; an owner is a short text of hexadecimal digits.
// Times have a precision of a millisecond. Every method is safe for concurrent use, also by several
// processes, and gives up when ctx ends. Package devicestest tests a Store.
type Store interface {
	// Put adds the row d of owner, in one atomic step. First it deletes the owner's rows whose Until
	// is not after d.Seen. If there is already a row of d.ID, Put keeps the later Seen and Until of
	// both, and the old Name if d.Name is "". If previous is not "", d takes the place of the row
	// previous, whose Name it gets if d.Name is "".
	//
	// If max is not 0, Put returns the ids of the rows that are too many, and does not delete them: of
	// all rows of owner but d, ordered by Began and then by LoginTime, all but the last max-1. The order
	// of rows in which both are the same is always the same. A row that cannot be read counts as one
	// that began before all others: its session may be alive.
	Put(ctx context.Context, owner string, d Device, previous string, max int) (excess []string, err error)

	// List returns the rows of owner, in any order. It may leave out those whose Until has passed.
	List(ctx context.Context, owner string) ([]Device, error)

	// Delete deletes the rows of owner with these ids, if they are there.
	Delete(ctx context.Context, owner string, ids ...string) error
}
