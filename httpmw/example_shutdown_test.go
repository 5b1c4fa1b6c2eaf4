package httpmw_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// The main function of a service. SIGTERM ends it in the order in which nothing is lost.
func ExampleShutdown() {
	// In a service: signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM).
	ctx, stop := context.WithTimeout(context.Background(), time.Second)
	defer stop()

	ring := keys.Generate(0)    // a service keeps its ring in a file: keys.OpenFile
	store := revlog.NewMemory() // and its list in a store that its replicas share
	list, err := revocation.Open(ctx, store, ring, revocation.Config{})
	if err != nil {
		log.Fatal(err)
	}
	sessions, err := httpmw.New[basket](keys.Static(ring), list, httpmw.Config{})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: "127.0.0.1:0", Handler: sessions.Handler(http.NotFoundHandler())}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()

	select {
	case err := <-failed:
		log.Fatal(err)
	case <-ctx.Done():
	}
	stop() // a second signal ends the process at once

	const notice = 50 * time.Millisecond // 5 s, or as long as your load balancer takes to ask /readyz
	ending, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := httpmw.Shutdown(ending, list, notice, server); err != nil {
		log.Print(err) // what did not end, and how many revocations were lost
	}
	// Now close the store, the source of keys, and the server of package admin.
	fmt.Println(errors.Is(<-failed, http.ErrServerClosed), list.Ready())
	// Output: true false
}
