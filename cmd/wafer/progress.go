package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// A progress shows on a terminal how much of a long task is done.
type progress struct {
	w     io.Writer // nil: not a terminal
	total int
	began time.Time
	shown time.Time
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{total: total, began: time.Now()}
	if isTerminal(w) {
		p.w = w
	}
	return p
}

const barWidth = 30

// at shows that n of all are done.
func (p *progress) at(n int) {
	if p.w == nil || n < p.total && time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	done := barWidth
	if p.total > 0 {
		done = barWidth * n / p.total
	}
	rate := float64(n) / max(time.Since(p.began).Seconds(), 0.001)
	fmt.Fprintf(p.w, "\r[%s%s] %d of %d, %.0f a second ", strings.Repeat("#", done), strings.Repeat(".", barWidth-done), n, p.total, rate)
}

// say shows a text in place of the bar.
func (p *progress) say(text string) {
	if p.w != nil {
		fmt.Fprintf(p.w, "\r%s ", text)
	}
}

// end ends the line.
func (p *progress) end() {
	if p.w != nil {
		fmt.Fprintln(p.w)
	}
}
