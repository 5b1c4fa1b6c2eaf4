package redisstore

import (
	"context"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Reset takes the list of that id away, for one that cannot be followed any more, and
// reports whether it was still there; zero stands for a list so damaged that its id
// cannot be read. It is for people: the next replica that reads the list begins another one, for
// which every session that was last checked before now is in doubt. What the
// exact set holds stays in force, unless the list belongs to another ring or its head
// is damaged.
func (s *Store) Reset(ctx context.Context, list revlog.ListID) (bool, error) {
	n, err := s.run(ctx, s.scripts.reset, named(list))
	return n == int64(1), err
}
