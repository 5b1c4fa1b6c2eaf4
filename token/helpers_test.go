package token_test

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/token"
)

// sealed returns the token of c.
func sealed(t testing.TB, s *token.Sealer, c *token.Session, now time.Time) string {
	t.Helper()
	compact, err := s.SealSession(nil, c, now)
	if err != nil {
		t.Fatal(err)
	}
	return string(compact)
}

// changed returns compact with another tag.
func changed(compact string) string {
	i := len(compact) - 2
	c := byte('A')
	if compact[i] == c {
		c = 'B'
	}
	return compact[:i] + string(c) + compact[i+1:]
}
