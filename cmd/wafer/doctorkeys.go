package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// clockSlack is how far the clock of a replica may be ahead of that of the store.
const clockSlack = 5 * time.Second

// examineReaders checks the replicas of the application, and whether they hold the keys of the ring. ring
// is nil if it is not known.
func examineReaders(ctx context.Context, s revlog.Registrar, ring *keys.Ring) []redisstore.Finding {
	all, err := s.Replicas(ctx)
	if err != nil {
		return []redisstore.Finding{{Level: redisstore.Warning, Check: "readers", Message: "the replicas are not known: " + err.Error(), Fix: "try again"}}
	}
	out := []redisstore.Finding{examineStates(all)}
	all = slices.DeleteFunc(all, func(r revlog.Replica) bool { return len(r.Keys) == 0 }) // which keep no sessions
	if len(all) == 0 {
		return out
	}
	if ring != nil {
		out = append(out, examineKeys(ring, all, time.Now()))
	}
	return append(out, examineClocks(all))
}

// examineStates checks that the replicas are in step.
func examineStates(all []revlog.Replica) redisstore.Finding {
	var late []string
	for _, r := range all {
		if r.State != "synced" {
			late = append(late, fmt.Sprintf("%s on %s is %s", r.ID, r.Host, r.State))
		}
	}
	switch {
	case len(all) == 0:
		return redisstore.Finding{Check: "readers", Message: "no replica of an application reads the list now"}
	case len(late) == 0:
		return redisstore.Finding{Check: "readers", Message: counted(len(all), "replica") + " of the application, all synced"}
	}
	return redisstore.Finding{Level: redisstore.Warning, Check: "readers",
		Message: fmt.Sprintf("of %s of the application, %s", counted(len(all), "replica"), strings.Join(late, ", ")),
		Fix:     "see the log of that process, and check its connection to Redis"}
}

// examineKeys checks that every replica holds what the ring holds, and nothing else: a replica that lacks
// a key refuses the sessions that the others seal with it.
func examineKeys(ring *keys.Ring, all []revlog.Replica, now time.Time) redisstore.Finding {
	var wrong []string
	level := redisstore.Good
	note := func(l redisstore.Level, format string, args ...any) {
		level = max(level, l)
		wrong = append(wrong, fmt.Sprintf(format, args...))
	}
	for _, k := range adminapi.ReportedRing(ring, now, all, keys.NewMeter()).Keys {
		if k.Replicas == nil {
			continue // expired
		}
		for _, r := range k.Replicas.Missing {
			switch {
			case k.Revoked != nil:
				note(redisstore.Failing, "%s on %s still accepts what the revoked key %s sealed", r.ID, r.Host, k.ID)
			case k.NotBefore.After(now):
				note(redisstore.Warning, "%s on %s does not have the key %s, which seals from %s", r.ID, r.Host, k.ID, utc(k.NotBefore))
			default:
				note(redisstore.Failing, "%s on %s does not have the key %s, and refuses its sessions", r.ID, r.Host, k.ID)
			}
		}
	}
	for _, r := range all {
		for _, u := range r.Keys {
			if !slices.ContainsFunc(ring.Keys(), func(k keys.Key) bool { return k.ID() == u.ID }) {
				note(redisstore.Failing, "%s on %s has the key %s, which this ring does not have", r.ID, r.Host, u.ID)
			}
		}
	}
	if level == redisstore.Good {
		return redisstore.Finding{Check: "keys", Message: counted(len(all), "replica") + " with sessions, all with the keys of the ring"}
	}
	return redisstore.Finding{Level: level, Check: "keys", Message: strings.Join(wrong, "; "),
		Fix: "wait ten seconds and look again: replicas report every five. Then see the log of that process, and whether it reads the same ring"}
}

// examineClocks looks for keys that were used later than the store heard of it.
func examineClocks(all []revlog.Replica) redisstore.Finding {
	by, who := time.Duration(0), revlog.Replica{}
	for _, r := range all {
		for _, u := range r.Keys {
			for _, at := range []time.Time{u.Sealed, u.Opened} {
				if ahead := at.Sub(r.Seen); ahead > by {
					by, who = ahead, r
				}
			}
		}
	}
	if by <= clockSlack {
		return redisstore.Finding{Check: "clocks", Message: "no replica's clock is seen to be ahead of that of Redis"}
	}
	return redisstore.Finding{Level: redisstore.Warning, Check: "clocks",
		Message: fmt.Sprintf("%s on %s reports that a key was used %v after the present time of Redis: the clock of a replica is ahead",
			who.ID, who.Host, by.Round(time.Second)),
		Fix: "let NTP set the clocks of all machines: replicas refuse sessions from more than an hour ahead"}
}
