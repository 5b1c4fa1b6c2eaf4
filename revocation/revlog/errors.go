package revlog

import (
	"errors"
	"fmt"
)

// Errors of a Store. The list handles ErrLost and ErrOtherList by itself.
var (
	// ErrLost: the head or the log of the list is gone, as after FLUSHALL.
	ErrLost = errors.New("revocation: the store has lost the list")
	// ErrOtherList: the store holds another list than the one that the call names.
	ErrOtherList = errors.New("revocation: the store holds another list")
	// ErrFuture: the W of a Before assertion is later than log time. If it were accepted, later
	// revocations of the same target would do nothing until then.
	ErrFuture = errors.New("revocation: Before must not be later than the log time of the store")
	// ErrLayout: the store holds a list in a layout that this release does not know.
	ErrLayout = errors.New("revocation: the list needs a newer release: its layout is not known")
	// ErrWrongKey: the list was created with another list key, so no tag would match. Create also
	// returns it if the store knows that this list key may not create a list.
	ErrWrongKey = errors.New("revocation: the list belongs to another key ring")
)

// A LimitError refuses a write because the W of an assertion would exceed its Limit, as for a "now"
// that took too long to reach the store. Nothing was written. The write can be made again with a
// limit that fits LogTime.
type LimitError struct{ LogTime int64 }

func (e *LimitError) Error() string {
	return fmt.Sprintf("revocation: a revocation reached the store too late: its limit lies before log time %d; make it again", e.LogTime)
}
