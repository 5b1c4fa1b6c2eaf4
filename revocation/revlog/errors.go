package revlog

import (
	"errors"
	"fmt"
)

// Errors of a Store that the list mends by itself.
var (
	// ErrLost: the head or the log of the list is gone, as after FLUSHALL.
	ErrLost = errors.New("revocation: the store lost the list")
	// ErrOtherList: the store holds another list than the one asked for.
	ErrOtherList = errors.New("revocation: the store holds another list")
	// ErrFuture: Assertion.Before lies beyond log time. Accepting it would make later
	// revocations of the same target do nothing until then.
	ErrFuture = errors.New("revocation: Before is later than the log time of the store")
	// ErrLayout: the store holds a list in a layout this version does not know.
	ErrLayout = errors.New("revocation: unknown list layout")
	// ErrWrongKey: the list was begun with another list key, so no tag would match.
	// Create of a store that knows that a list key may begin no list returns it, too.
	ErrWrongKey = errors.New("revocation: the list belongs to another key ring")
)

// A LimitError refuses a write: the W of an assertion would lie beyond its Limit, as
// of a "now" that was on its way for too long. Nothing was written. With a limit that
// fits LogTime it can be made again.
type LimitError struct{ LogTime int64 }

func (e *LimitError) Error() string {
	return fmt.Sprintf("revocation: the limit of a revocation lies behind log time %d", e.LogTime)
}
