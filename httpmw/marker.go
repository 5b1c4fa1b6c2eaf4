package httpmw

import (
	"strconv"
	"strings"
	"time"
)

// The list cannot end an anonymous session, so a late response could bring it back after a login or
// a logout of the same browser. An anonymous session therefore has a cookie of its own, on which a
// login does not depend. It counts only if it began after everything that the session cookie tells
// of: a login, alive or not, or a logout, which leaves a marker there:
//
//	out.<log time of the logout in ms>
//
// A marker is not sealed. Forging one only makes the forger's own anonymous session be ignored.
const (
	markerPrefix = "out."
	markerDigits = 15

	// markerAhead is how far a marker may be ahead of this replica's log time. A marker that is
	// further ahead is ignored: an anonymous session begins after its marker, and so would escape a
	// revocation of everyone before that time.
	markerAhead = time.Minute

	// markerSlack is how far the log times of two replicas may be apart, by rounding and by how
	// fast the list answers.
	markerSlack = 10 * time.Millisecond
)

func marker(ms int64) string { return markerPrefix + strconv.FormatInt(ms, 10) }

// parseMarker reads a marker in the one spelling that marker writes.
func parseMarker(s string) (ms int64, ok bool) {
	digits, ok := strings.CutPrefix(s, markerPrefix)
	if !ok || digits == "" || len(digits) > markerDigits || digits[0] == '0' {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		ms = ms*10 + int64(digits[i]-'0')
	}
	return ms, true
}
