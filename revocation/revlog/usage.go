package revlog

import "context"

// Usage is how much room the data of a store takes. It counts all that the server or the file holds,
// also what is not of the list.
type Usage struct {
	Bytes int64
	Limit int64 // at which the store takes no more writes; 0: none that is known
}

// A Measurer is a [Store] that can say how much room it takes. A replica asks once a minute. The
// numbers are for people: no decision uses them.
type Measurer interface {
	Usage(ctx context.Context) (Usage, error)
}
