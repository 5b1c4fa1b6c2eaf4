// Package bench measures one request with a session, in Wafer and in what people use instead.
package bench

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

var rounds = flag.Int("rounds", 1, "rounds of the comparison; odd, so that there is a median")

// TestCompare measures every site in every round, in another order each time, so that a machine whose speed wanders is unfair to
// nobody. It prints ratios of medians: a time alone says more about the machine.
func TestCompare(t *testing.T) {
	all := sites(t)
	inProcess, loopback := map[*site][]float64{}, map[*site][]float64{}
	requests, over := 50, 20
	if *rounds > 1 {
		requests, over = 3000, 1000
	}
	for range *rounds {
		for _, i := range rand.Perm(len(all)) {
			s := all[i]
			inProcess[s] = append(inProcess[s], s.serve(t, requests))
			loopback[s] = append(loopback[s], s.fetch(t, over))
		}
	}
	bare, ours := all[0], all[1]
	added := func(of map[*site][]float64, s *site) float64 { return median(of[s]) - median(of[bare]) }
	fmt.Println(row("", "a copied cookie dies at sign-out", "session work per request", "whole request over loopback"))
	fmt.Println(row("---", "---", "---", "---"))
	for _, s := range all[1:] {
		fmt.Println(row(s.name, s.ends,
			fmt.Sprintf("%.1f×", added(inProcess, s)/added(inProcess, ours)),
			fmt.Sprintf("%.2f×", median(loopback[s])/median(loopback[ours]))))
	}
	fmt.Printf("\n1× is %.1f µs in the process and %.0f µs over loopback (%.0f µs without any session); medians of %d rounds\n",
		added(inProcess, ours)/1e3, median(loopback[ours])/1e3, median(loopback[bare])/1e3, *rounds)
}

// serve returns the ns of one request in this process.
func (s *site) serve(t *testing.T, n int) float64 {
	r := s.request()
	w := &sink{header: http.Header{}}
	began := time.Now()
	for range n {
		clear(w.header)
		w.status = 200
		s.handler.ServeHTTP(w, r.WithContext(t.Context())) // a request of its own: gorilla/sessions remembers in it
		if w.status != 200 {
			t.Fatalf("%s: %d", s.name, w.status)
		}
	}
	return float64(time.Since(began)) / float64(n)
}

// fetch returns the ns of one request over a connection that stays open.
func (s *site) fetch(t *testing.T, n int) float64 {
	server := httptest.NewServer(s.handler)
	defer server.Close()
	client := server.Client()
	get := func() {
		r, err := http.NewRequest("GET", server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range s.cookies {
			r.AddCookie(c)
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Fatalf("%s: %s", s.name, res.Status)
		}
	}
	get()
	began := time.Now()
	for range n {
		get()
	}
	return float64(time.Since(began)) / float64(n)
}

// A sink is a ResponseWriter that keeps nothing.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }
