package main

import (
	"bytes"
	"testing"
	"time"
)

func TestDistances(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0:                                 "now",
		500 * time.Millisecond:            "now",
		-time.Second:                      "1 s ago",
		time.Minute:                       "in 1 min",
		90 * time.Second:                  "in 90 s",
		10 * time.Minute:                  "in 10 min",
		10*time.Minute - time.Second:      "in 10 min",
		90 * time.Minute:                  "in 90 min",
		time.Hour:                         "in 1 h",
		-36 * time.Hour:                   "36 h ago",
		day:                               "in 1 day",
		day + 13*time.Hour:                "in 37 h",
		2*day - 2*time.Second:             "in 2 days",
		-400 * day:                        "400 days ago",
		2*time.Hour - 3*time.Minute:       "in 117 min",
		2*time.Minute - 3*time.Second + 1: "in 117 s",
	} {
		if got := distance(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestDays(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"30d": 720 * time.Hour, "1d": 24 * time.Hour, "12h": 12 * time.Hour, "1h30m": 90 * time.Minute,
		"1d12h": 36 * time.Hour, "2d1h30m": 49*time.Hour + 30*time.Minute, "0d5m": 5 * time.Minute, "1d0h": 24 * time.Hour, "36500d": 36500 * 24 * time.Hour,
		"": 0, "0": 0, "0d": 0, "-1d": 0, "-1h": 0, "1.5d": 0, "36501d": 0, "d": 0, "99999999999999999999d": 0, "1w": 0,
		"1d-1h": 0, "12h1d": 0, "1d1d": 0, "+1d": 0, "d5m": 0, "1 d": 0, "36500d1s": 0, "876001h": 0, "0d0h": 0, "1d12": 0,
	} {
		var d days
		err := d.Set(s)
		if time.Duration(d) != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %v, %v", s, time.Duration(d), err)
		}
	}
}

func TestDaysPrintAsTheyAreRead(t *testing.T) {
	for _, s := range []string{"", "30d", "1d12h", "2h", "10m", "90s", "1h30m", "1h0m5s", "1d1m", "5ms", "10d"} {
		var d, again days
		if s != "" && d.Set(s) != nil {
			t.Fatal(s)
		}
		got := d.String()
		if s == "90s" {
			s = "1m30s"
		}
		if got != s || s != "" && (again.Set(got) != nil || again != d) {
			t.Errorf("%q prints as %q", s, got)
		}
	}
}

// What is accepted as a duration is positive and within bounds, and prints in a form that is read again.
func FuzzDays(f *testing.F) {
	for _, s := range []string{"", "30d", "1d12h", "0d", "-1d", "1d-1h", "36500d", "36500d1ns", "99999999999999999999d", "1.5h", "1d1d", "+1d", "1d0.5h", "d", "1h1d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var d, again days
		if d.Set(s) != nil {
			return
		}
		if d <= 0 || time.Duration(d) > maxDays*day {
			t.Fatalf("%q is %v", s, time.Duration(d))
		}
		if err := again.Set(d.String()); err != nil || again != d {
			t.Fatalf("%q prints as %q: %v", s, d.String(), err)
		}
	})
}

func TestSafe(t *testing.T) {
	for s, want := range map[string]string{
		"ada lovelace, Ω 漢": "ada lovelace, Ω 漢",
		"a\x1b[31mb":        `a\u001b[31mb`,
		"a\u009bb":          `a\u009bb`,
		"a\u202eb":          `a\u202eb`,
		"a\xffb":            `a\ufffdb`,
		"a\nb\tc":           `a\u000ab\u0009c`,
	} {
		if got := safe(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestNoColoursInFiles(t *testing.T) {
	if colours(&bytes.Buffer{}) {
		t.Error("a buffer is not a terminal")
	}
}
