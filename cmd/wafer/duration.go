package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// days is a duration flag that takes days too: 30d, 12h, 1h30m.
type days time.Duration

func (d *days) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

func (d *days) Type() string { return "duration" }

func (d *days) Set(s string) error {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		if whole, err := strconv.Atoi(n); err == nil && whole > 0 && whole <= 36500 {
			*d = days(time.Duration(whole) * 24 * time.Hour)
			return nil
		}
	}
	if v, err := time.ParseDuration(s); err == nil && v > 0 {
		*d = days(v)
		return nil
	}
	return errors.New("not a duration such as 30d, 12h or 10m")
}
