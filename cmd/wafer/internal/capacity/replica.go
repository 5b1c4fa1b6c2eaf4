package capacity

import "time"

// Replica is the memory of one process for the list, in bytes.
type Replica struct {
	Window  float64 `json:"window_seconds"`
	Entries int64   `json:"entries"` // in the window
	Filters int64   `json:"filter_bytes"`
	Recent  int64   `json:"recent_bytes"` // the last ten minutes, exactly
	People  int64   `json:"people_bytes"` // subjects and groups
	// Answers is what answers of the store take if many sessions come that the window cannot decide.
	Answers int64 `json:"answer_bytes"`
	// SignedIn is what the sketches of who is signed in take.
	SignedIn int64 `json:"signed_in_bytes"`
	Most     int64 `json:"most_bytes"` // all of these
}

const (
	filterEntry = 3        // bytes: 24 bits
	leastFilter = 4096     // entries
	mostFilters = 64 << 20 // bytes

	recentFor   = 10 * time.Minute
	mostRecent  = 1 << 17    // entries
	recentEntry = 96*3/2 + 4 // bytes, while the array grows, and its place in an index
	personEntry = 85         // bytes, in a table that is just three eighths full
	mostPeople  = 64 << 20   // bytes
	answers     = 1 << 17    // sessions found not revoked, and as many watermarks of those found revoked
	answerBytes = 149 + 2*32 // bytes for one of each
)

func replicaOf(l Load) Replica {
	retain := l.Retention()
	sessions := l.Revocations - l.People
	r := Replica{
		Window:  retain.Seconds(),
		Entries: int64(l.Revocations * retain.Seconds()),
		Recent:  int64(min(l.Revocations*recentFor.Seconds(), mostRecent) * recentEntry),
		People:  int64(min(l.People*retain.Seconds()*personEntry, mostPeople)),
		Answers: answers * answerBytes,
	}
	// A filter holds the entries of a 32nd of the retention, at least those of a minute.
	width := max(retain/32, time.Minute)
	filters := float64(retain/width + 1)
	r.Filters = int64(min(filters*max(sessions*width.Seconds(), leastFilter)*filterEntry, mostFilters))
	_, r.SignedIn = l.signedIn()
	r.Most = r.Filters + r.Recent + r.People + r.Answers + r.SignedIn
	return r
}
