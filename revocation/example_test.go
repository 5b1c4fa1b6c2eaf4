package revocation_test

import (
	"context"
	"fmt"

	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A page for operators says about how many people are signed in.
func ExampleList_SignedIn() {
	ctx, ring := context.Background(), revlogtest.Secrets(1) // an application has a *keys.Ring
	list, err := revocation.Open(ctx, revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		panic(err)
	}
	defer list.Close()

	switch s, err := list.SignedIn(ctx); {
	case err != nil:
		fmt.Println("the store does not answer; this replica knows of about", s.Subjects)
	case s.At.IsZero():
		fmt.Println("no replica has accepted a session yet")
	default:
		fmt.Printf("about %d people in the last %v, %d of them in the last minutes\n", s.Subjects, s.Window, s.ActiveSubjects)
	}
	// Output: no replica has accepted a session yet
}
