package redisstore

import (
	"context"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

var _ revlog.Sketcher = (*Store)(nil)

// Sketches implements [revlog.Sketcher].
func (s *Store) Sketches(ctx context.Context, names []string) ([][]byte, error) {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = s.sketchKey(name)
	}
	all, err := s.scripts.sketches.Run(ctx, s.client, keys, revlog.MaxSketch).StringSlice()
	if err != nil {
		return nil, s.mapped(err)
	}
	out := make([][]byte, len(all))
	for i, text := range all {
		if text != "" {
			out[i] = []byte(text)
		}
	}
	return out, nil
}

// KeepSketch implements [revlog.Sketcher].
func (s *Store) KeepSketch(ctx context.Context, name string, sketch []byte, keep time.Duration) error {
	return s.mapped(s.client.Set(ctx, s.sketchKey(name), sketch, keep).Err())
}

func (s *Store) sketchKey(name string) string { return s.prefix + "seen:" + name }
