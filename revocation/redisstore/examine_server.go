package redisstore

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

func version(i info) Finding {
	name, v := "Redis", i["redis_version"]
	if i["valkey_version"] != "" {
		name, v = "Valkey", i["valkey_version"]
	}
	f := Finding{Good, "version", name + " " + v, ""}
	major, _, _ := strings.Cut(v, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		f.Level, f.Fix = Refused, "use Redis 7.0 or later, or Valkey"
	}
	return f
}

func role(i info) Finding {
	if i["role"] != "master" {
		return Finding{Refused, "role", "role is " + i["role"] + ": a replica may be behind", "connect to the primary, or through Sentinel (MasterName)"}
	}
	return Finding{Good, "role", "the primary", ""}
}

func eviction(i info) Finding {
	policy := i["maxmemory_policy"]
	switch {
	case policy != "noeviction":
		return Finding{Refused, "eviction", "maxmemory-policy is " + policy + ": under memory pressure the server would delete revocations",
			"CONFIG SET maxmemory-policy noeviction, and in redis.conf"}
	case i.int("evicted_keys") > 0:
		return Finding{Warning, "eviction", fmt.Sprintf("maxmemory-policy is noeviction, but %d keys were evicted since the server started", i.int("evicted_keys")),
			"find out who changed maxmemory-policy"}
	}
	return Finding{Good, "eviction", "maxmemory-policy is noeviction", ""}
}

// waits reports whether min-replicas-to-write is set: only then INFO counts good replicas.
func (i info) waits() bool { _, ok := i["min_slaves_good_slaves"]; return ok }

func persistence(i info, c Config) Finding {
	switch {
	case i["aof_enabled"] == "1" && i["aof_last_write_status"] != "ok":
		return Finding{Warning, "persistence", "appendonly is on, but the last write to the file failed", "free disk space, and see the log of the server"}
	case i["aof_enabled"] == "1" && i["appendfsync"] == "no":
		return Finding{Warning, "persistence", "appendonly is on, but appendfsync is no: a power cut may lose the last half minute",
			"CONFIG SET appendfsync everysec, and in redis.conf"}
	case i["aof_enabled"] == "1":
		return Finding{Good, "persistence", "appendonly is on", ""}
	case i.waits() && i.int("connected_slaves") > 0:
		return Finding{Good, "persistence", "appendonly is off, min-replicas-to-write keeps a second copy", ""}
	}
	f := Finding{Refused, "persistence", "appendonly is no and min-replicas-to-write is 0: a restart would forget every revocation",
		"CONFIG SET appendonly yes, and in redis.conf; or use a replica and min-replicas-to-write 1; or accept it with AllowVolatile"}
	if c.AllowVolatile {
		f.Level = Warning
	}
	return f
}

func split(i info, o *redis.UniversalOptions, c Config) Finding {
	replicas := fmt.Sprintf("%d replicas", i.int("connected_slaves"))
	if i.waits() && i.int("min_slaves_good_slaves") == 0 {
		return Finding{Failing, "replicas", replicas + ", but none of them counts for min-replicas-to-write: nothing can be revoked now",
			"start the replicas, or find out why they are behind"}
	}
	if i.waits() {
		return Finding{Good, "replicas", replicas + ", min-replicas-to-write is set, " + i["min_slaves_good_slaves"] + " count", ""}
	}
	if o.MasterName == "" && len(o.Addrs) < 2 && !o.IsClusterMode {
		return Finding{Good, "replicas", replicas + ", and no failover: neither Sentinel nor Cluster", ""}
	}
	f := Finding{Refused, "replicas", replicas + ", min-replicas-to-write is 0: after a network split, revocations that an isolated primary acknowledged are lost",
		"CONFIG SET min-replicas-to-write 1 and min-replicas-max-lag 2, and in redis.conf, on every node; or accept it with AllowSplit"}
	if c.AllowSplit {
		f.Level = Warning
	}
	return f
}

// maxLag checks min-replicas-max-lag if the user may call CONFIG.
func maxLag(i info) Finding {
	f := Finding{Good, "max lag", "min-replicas-max-lag does not matter without min-replicas-to-write", ""}
	if !i.waits() {
		return f
	}
	n, err := strconv.Atoi(i["min-replicas-max-lag"])
	if err != nil {
		f.Message = "min-replicas-max-lag is unknown: this user may not call CONFIG"
		return f
	}
	f.Message = fmt.Sprintf("min-replicas-max-lag is %d s", n)
	if n > 2 {
		f.Level = Warning
		f.Message += ": an isolated primary takes writes for that long"
		f.Fix = "CONFIG SET min-replicas-max-lag 2, and in redis.conf"
	}
	return f
}

func memory(i info) Finding {
	used, most := i.int("used_memory"), i.int("maxmemory")
	if most == 0 {
		return Finding{Good, "memory", fmt.Sprintf("%d MB used, maxmemory is not set", used>>20), ""}
	}
	f := Finding{Good, "memory", fmt.Sprintf("%d %% of maxmemory (%d MB) used", used*100/most, most>>20), ""}
	if used >= most {
		return Finding{Failing, "memory", f.Message + ": nothing can be revoked now", "raise maxmemory, or find out what fills the memory"}
	}
	if float64(used) > fullShare*float64(most) {
		f.Level, f.Fix = Warning, "raise maxmemory: at the limit the server refuses revocations"
	}
	return f
}
