package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// days is a duration flag that also takes days: 30d, 1d12h, 90m.
type days time.Duration

const (
	day     = 24 * time.Hour
	maxDays = 36500
)

// String returns d in the form that Set reads, and nothing for zero.
func (d *days) String() string {
	whole, rest := time.Duration(*d)/day, time.Duration(*d)%day
	s := ""
	if whole > 0 {
		s = fmt.Sprintf("%dd", whole)
	}
	if rest > 0 {
		s += rest.String()
	}
	for _, zero := range []string{"m0s", "h0m"} { // 1h0m0s is 1h
		if short, ok := strings.CutSuffix(s, zero); ok {
			s = short + zero[:1]
		}
	}
	return s
}

func (d *days) Type() string { return "duration" }

// Set reads a positive duration: whole days, then what [time.ParseDuration] reads.
func (d *days) Set(s string) error {
	var (
		errForm = errors.New("not a duration such as 30d, 1d12h or 10m")
		total   time.Duration
	)
	if whole, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(whole, 10, 31)
		switch {
		case errors.Is(err, strconv.ErrRange) || err == nil && n > maxDays:
			return errTooLong
		case err != nil:
			return errForm
		}
		total, s = time.Duration(n)*day, rest
		if s == "" {
			s = "0"
		}
	}
	rest, err := time.ParseDuration(s)
	switch {
	case err != nil || rest < 0 || total+rest <= 0:
		return errForm
	case total+rest > maxDays*day:
		return errTooLong
	}
	*d = days(total + rest)
	return nil
}

var errTooLong = fmt.Errorf("too long: at most %dd", maxDays)
