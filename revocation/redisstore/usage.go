package redisstore

import (
	"context"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

var _ revlog.Measurer = (*Store)(nil)

// Usage implements [revlog.Measurer]: the memory of the server that holds the list, and its
// maxmemory. It sends one INFO memory.
func (s *Store) Usage(ctx context.Context) (revlog.Usage, error) {
	node, err := s.primary(ctx)
	if err != nil {
		return revlog.Usage{}, s.mapped(err)
	}
	text, err := node.Info(ctx, "memory").Result()
	if err != nil {
		return revlog.Usage{}, s.mapped(err)
	}
	i := parseInfo(text)
	return revlog.Usage{Bytes: i.int("used_memory"), Limit: i.int("maxmemory")}, nil
}
