package httpmw

import (
	"strconv"
	"strings"
	"time"
)

// No list can end an anonymous session, so an answer that comes late would bring it back: after a login of the same
// browser, or after a logout. Therefore an anonymous session has a cookie of its own, which a login does not depend on,
// and it counts only if it began after whatever the session cookie tells of: a login, living or not, or a logout, which
// leaves a marker there:
//
//	out.<log time of the logout in ms>
//
// A marker is not sealed. Whoever forges one has an anonymous session of their own ignored, and nothing else.
const (
	markerPrefix = "out."
	markerDigits = 15

	// markerAhead is how far a marker may be ahead of this replica's log time. One that is further ahead means nothing:
	// an anonymous session begins after its marker, and so would be spared by a revocation of everybody before that.
	markerAhead = time.Minute

	// markerSlack is how far the log time of two replicas may be apart, by rounding and by how fast the list answers.
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
