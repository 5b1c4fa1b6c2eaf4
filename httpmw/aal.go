package httpmw

import (
	"fmt"
	"time"
)

// An AAL is an authentication assurance level of NIST SP 800-63B-4 (July 2025), section 2. Its
// numbers are exactly those of the standard. Which of them are SHALL and which SHOULD is said at
// each level.
type AAL uint8

const (
	// AAL1 is one factor. The overall limit SHOULD be at most 30 days. An idle limit MAY be applied
	// (section 2.1.3).
	AAL1 AAL = 1 + iota
	// AAL2 is two factors. The overall limit SHOULD be at most 24 hours, and the idle limit SHOULD be
	// at most 1 hour (section 2.2.3).
	AAL2
	// AAL3 is two factors, one of which is a key in hardware that resists phishing. The overall limit
	// SHALL be at most 12 hours, and the idle limit SHOULD be at most 15 minutes (section 2.3.3).
	AAL3
)

// Limits returns the longest limits that the level allows, for Config.Idle and Config.Absolute. The
// Idle of AAL1 is zero, because the standard gives no number: Config then has its default.
//
// New refuses limits above those of the ring and the list. The 30 days of AAL1 need a ring whose
// max_session is raised.
func (a AAL) Limits() Limits {
	l, _ := a.level()
	return l
}

// Requirements returns what the level asks of a login, for RequireThat: the methods, and that the
// login is not longer ago than the overall limit. AAL2 needs "mfa", and AAL3 needs "mfa" and "hwk".
// They are for applications in which some routes need a higher level than the others; the idle limit
// is always that of Config.
//
// No method of RFC 8176 says that a key resists phishing. So name "hwk" at login only for a key in
// hardware that does, as WebAuthn keys do.
func (a AAL) Requirements() Requirements {
	_, need := a.level()
	return need
}

func (a AAL) level() (Limits, Requirements) {
	const day = 24 * time.Hour
	switch a {
	case AAL1:
		return Limits{Absolute: 30 * day}, Requirements{LoginWithin: 30 * day}
	case AAL2:
		return Limits{Idle: time.Hour, Absolute: day}, Requirements{LoginWithin: day, Methods: []string{"mfa"}}
	case AAL3:
		return Limits{Idle: 15 * time.Minute, Absolute: 12 * time.Hour}, Requirements{LoginWithin: 12 * time.Hour, Methods: []string{"mfa", "hwk"}}
	}
	panic(fmt.Sprintf("httpmw: AAL %d: there are AAL1, AAL2 and AAL3", a))
}
