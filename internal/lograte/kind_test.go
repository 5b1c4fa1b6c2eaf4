package lograte_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/wafer-sessions/wafer/internal/lograte"
)

func TestKind(t *testing.T) {
	reset := func(port int) error {
		here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
		return &net.OpError{Op: "read", Net: "tcp", Source: here, Addr: here, Err: syscall.ECONNRESET}
	}
	var (
		redis = func(err error) error { return fmt.Errorf("rediskeys: Redis at 127.0.0.1:6379: %w", err) }
		kek   = func(err error) error { return fmt.Errorf("keys: cannot open the ring: KEK: %w", err) }
		one   = lograte.Kind(redis(reset(50_001)))
	)
	for _, row := range []struct {
		name string
		err  error
		same bool
	}{
		{"another port", redis(reset(50_002)), true},
		{"it ended", redis(io.EOF), true},
		{"in time", redis(context.DeadlineExceeded), true},
		{"the KEK, by the same failure", kek(reset(50_001)), false},
		{"an answer", redis(errors.New("WRONGTYPE")), false},
		{"nothing", nil, false},
	} {
		if got := lograte.Kind(row.err); (got == one) != row.same {
			t.Errorf("%s: %q and %q", row.name, got, one)
		}
	}
	if lograte.Kind(nil) != "" || lograte.Kind(io.EOF) == "" || lograte.Kind(reset(1)) == "" {
		t.Error("only no error is of no kind")
	}
}
