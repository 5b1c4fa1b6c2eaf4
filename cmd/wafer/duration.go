package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// days is a duration flag that takes days too: 30d, 12h, 1h30m.
type days time.Duration

const maxDays = 36500

func (d *days) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

func (d *days) Type() string { return "duration" }

func (d *days) Set(s string) error {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		whole, err := strconv.Atoi(n)
		if errors.Is(err, strconv.ErrRange) || err == nil && whole > maxDays {
			return fmt.Errorf("too long: at most %dd", maxDays)
		}
		if err == nil && whole > 0 {
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
