package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const timeLayout = "2006-01-02 15:04:05Z"

// utc prints a time for people, and "-" for the zero time.
func utc(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(timeLayout)
}

// instant returns a log time as a time.
func instant(ms int64) time.Time { return time.UnixMilli(ms) }

// from prints a time and its distance from now.
func from(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return utc(t) + " (" + distance(t.Sub(now.Truncate(time.Second))) + ")"
}

// distance prints a distance from now: "in 10 min", "3 days ago", "now".
func distance(d time.Duration) string {
	switch {
	case d.Abs() < time.Second:
		return "now"
	case d < 0:
		return span(-d) + " ago"
	}
	return "in " + span(d)
}

// span prints a duration, rounded, in the largest unit that fits at least twice or exactly once: 90 min
// says more than 2 h.
func span(d time.Duration) string {
	for _, u := range []struct {
		unit      time.Duration
		one, many string
	}{{24 * time.Hour, "day", "days"}, {time.Hour, "h", "h"}, {time.Minute, "min", "min"}} {
		if d == u.unit {
			return "1 " + u.one
		}
		if d >= 2*u.unit-u.unit/24 { // 47 hours are two days too
			return fmt.Sprintf("%d %s", d.Round(u.unit)/u.unit, u.many)
		}
	}
	return fmt.Sprintf("%d s", d.Round(time.Second)/time.Second)
}

// counted prints n of something, such as "1 key" and "2 keys".
func counted[N int | int64](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// A palette colours words, or leaves them as they are.
type palette bool

// colours reports whether to print colours to w: on a terminal that is not dumb, unless NO_COLOR is
// set.
func colours(w io.Writer) palette {
	return palette(isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p palette) paint(code, s string) string {
	if !p || code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// A cell is one place in a table.
type cell struct{ text, colour string }

// table prints rows in columns as wide as their longest cell.
func table(w io.Writer, indent string, rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	p := colours(w)
	for _, row := range rows {
		line := indent
		for i, c := range row {
			line += p.paint(c.colour, c.text)
			if i < len(row)-1 {
				line += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// safe escapes what a terminal could take for a control sequence.
func safe(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
