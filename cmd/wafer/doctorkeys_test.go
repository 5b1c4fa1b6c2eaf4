package main

import (
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func TestDoctorComparesTheKeysOfReplicas(t *testing.T) {
	now := time.Now()
	old := keys.Generate(0)
	first := old.Keys()[0].ID()
	made := func(r *keys.Ring, err error) *keys.Ring {
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	rotated := made(old.Rotate(now, keys.Rotation{Immediate: true}))
	waiting := made(old.Rotate(now, keys.Rotation{After: time.Hour}))
	revoked := made(rotated.Revoke(now, first))
	second := func(r *keys.Ring) string {
		for _, k := range r.Keys() {
			if k.ID() != first {
				return k.ID()
			}
		}
		return ""
	}
	has := func(ids ...string) (all []revlog.KeyUse) {
		for _, id := range ids {
			all = append(all, revlog.KeyUse{ID: id})
		}
		return all
	}
	for name, row := range map[string]struct {
		ring  *keys.Ring
		has   []revlog.KeyUse
		level redisstore.Level
		want  string
	}{
		"the same":               {old, has(first), redisstore.Good, "1 replica with sessions, all with the keys of the ring"},
		"not the newest":         {rotated, has(first), redisstore.Failing, "a on host does not have the key " + second(rotated) + ", and refuses its sessions"},
		"not the one that waits": {waiting, has(first), redisstore.Warning, "a on host does not have the key " + second(waiting) + ", which seals from "},
		"another ring":           {old, has(first, "AAAAAAAAAAA"), redisstore.Failing, "a on host has the key AAAAAAAAAAA, which this ring does not have"},
		"not revoked":            {revoked, has(first, second(revoked)), redisstore.Failing, "a on host still accepts what the revoked key " + first + " sealed"},
		"revoked":                {revoked, append(has(second(revoked)), revlog.KeyUse{ID: first, Revoked: true}), redisstore.Good, "1 replica"},
	} {
		got := examineKeys(row.ring, []revlog.Replica{{ID: "a", Host: "host", Keys: row.has}}, now)
		if got.Level != row.level || got.Check != "keys" || !strings.HasPrefix(got.Message, row.want) {
			t.Errorf("%s: %+v, want %s", name, got, row.want)
		}
	}
}

func TestDoctorComparesClocks(t *testing.T) {
	now := time.Now()
	replica := func(opened time.Time) revlog.Replica {
		return revlog.Replica{ID: "a", Host: "host", Seen: now, Keys: []revlog.KeyUse{{ID: "k", Opened: opened}}}
	}
	if got := examineClocks([]revlog.Replica{replica(now.Add(time.Second)), replica(time.Time{})}); got.Level != redisstore.Good {
		t.Errorf("%+v", got)
	}
	got := examineClocks([]revlog.Replica{replica(now), replica(now.Add(10 * time.Minute))})
	if got.Level != redisstore.Warning || !strings.HasPrefix(got.Message, "a on host reports that a key was used 10m0s after") {
		t.Errorf("%+v", got)
	}
}
