package capacity

import "time"

// Redis is what the list takes in Redis. Sessions that are alive take nothing there but a place in
// sketches, which do not grow beyond their size.
type Redis struct {
	Log       int64   `json:"log_bytes"`
	Exact     int64   `json:"exact_set_bytes"`
	Replies   int64   `json:"reply_bytes"`     // kept for a minute, so that a write can be sent again
	SignedIn  int64   `json:"signed_in_bytes"` // sketches of who is signed in
	Memory    int64   `json:"memory_bytes"`
	MaxMemory int64   `json:"maxmemory_bytes"` // twice that: the server forks to save
	Reads     float64 `json:"reads_per_second"`
	Commands  float64 `json:"commands_per_second"` // that clients send; a script is one
	Core      float64 `json:"core"`                // share of one core, of a server that does nothing else
}

// held is how many of each thing Redis holds.
type held struct {
	sessions, people             float64 // in the exact set
	loggedSessions, loggedPeople float64
	replies                      float64
}

// Bytes that each of these takes, if every revocation is written alone. Those of one write share an
// item of the log, and then one takes a little less.
const (
	serverBytes   = 2 << 20 // of an empty server, with the scripts
	exactSession  = 32
	exactPerson   = 200
	loggedSession = 53
	loggedPerson  = 73
	reply         = 300

	replyFor     = time.Minute
	readCommands = 4 // HMGET, PERSIST and two XRANGE, sent together

	// Processor time, in seconds.
	readTime     = 30e-6
	deliveryTime = 2e-6 // of one revocation to one replica
	writeTime    = 150e-6
)

func redisOf(l Load) Redis {
	sessions := l.Revocations - l.People
	// The exact set drops sessions together that were revoked within an eighth of the retention.
	exact := l.Retention().Seconds() + late.Seconds()
	logged := min(l.Retention(), longest).Seconds()
	r := held{
		sessions: sessions * (exact + l.Retention().Seconds()/8), people: l.People * exact,
		loggedSessions: sessions * logged, loggedPeople: l.People * logged,
		replies: l.Revocations * replyFor.Seconds(),
	}.bytes()
	r.SignedIn, _ = l.signedIn()
	r.Memory += r.SignedIn
	r.MaxMemory = 2 * r.Memory
	replicas := float64(l.Replicas)
	r.Reads = replicas / readEvery.Seconds()
	r.Commands = r.Reads*readCommands + 1/heartbeat.Seconds() + replicas/register.Seconds() + l.Revocations
	r.Core = r.Reads*readTime + l.Revocations*(replicas*deliveryTime+writeTime)
	if l.Sessions > 0 {
		turns := replicas * float64(len(seriesOf(l.Idle))) / countEvery.Seconds()
		r.Commands += turns * countCommands
		r.Core += turns * countTime
	}
	return r
}

func (h held) bytes() (r Redis) {
	r.Log = int64(h.loggedSessions*loggedSession + h.loggedPeople*loggedPerson)
	r.Exact = int64(h.sessions*exactSession + h.people*exactPerson)
	r.Replies = int64(h.replies * reply)
	r.Memory = serverBytes + r.Log + r.Exact + r.Replies
	return r
}
