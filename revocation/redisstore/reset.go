package redisstore

import (
	"context"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Reset removes the list with this id, if replicas cannot follow it any more, and reports whether
// it was there. The zero id stands for a list that is too damaged to read its id. Reset is for
// operators: the next replica that reads the list creates another one, for which every session that
// was last checked before now is in doubt. Revocations in the exact set stay in force, unless the
// list belongs to another ring or its head is damaged.
func (s *Store) Reset(ctx context.Context, list revlog.ListID) (bool, error) {
	n, err := s.run(ctx, s.scripts.reset, named(list))
	return n == int64(1), err
}
