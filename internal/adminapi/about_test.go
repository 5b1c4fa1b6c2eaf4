package adminapi_test

import (
	"testing"

	"github.com/wafer-sessions/wafer/internal/adminapi"
)

func TestAbout(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 people", 1: "1 person", 2: "2 people", 999: "999 people", 1004: "1,000 people", 1006: "1,010 people", 41_049: "41,000 people",
		999_999: "1,000,000 people", 1_234_567: "1,230,000 people", 1_000_000_000_000: "1,000,000,000,000 people",
	} {
		if got := adminapi.About(n, "person", "people"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
