package redisstore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ParseURL reads where a Redis is from one line, as commands and environments
// carry it:
//
//	redis://user:password@host:6379/0        one server; rediss:// with TLS
//	unix:///run/redis.sock?db=0              one server on this machine
//	redis+sentinel://host1,host2:26379/name  the primary that Sentinel calls name; rediss+sentinel://
//	redis+cluster://host1,host2:6379         a Cluster; rediss+cluster://
//
// Errors never repeat the line, since it may hold a password, unless it is no more than a name and a port.
func ParseURL(line string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(line)
	if err != nil || u.Scheme == "" {
		return nil, errors.New("redisstore: not a URL such as redis://localhost:6379")
	}
	if _, err := strconv.ParseUint(u.Opaque, 10, 16); err == nil && line == u.Scheme+":"+u.Opaque {
		return nil, fmt.Errorf("redisstore: not a URL; redis://%s is one", line)
	}
	o := &redis.UniversalOptions{}
	o.Username = u.User.Username()
	o.Password, _ = u.User.Password()
	kind, isTLS := u.Scheme, false
	if rest, ok := strings.CutPrefix(kind, "rediss"); ok {
		kind, isTLS = "redis"+rest, true
	}
	path := strings.TrimPrefix(u.Path, "/")
	port := "6379"
	db := u.Query().Get("db")
	switch kind {
	case "redis":
		if path != "" {
			db = path
		}
	case "redis+cluster":
		o.IsClusterMode = true
		if path != "" || db != "" {
			return nil, errors.New("redisstore: a Cluster has one database, without a number")
		}
	case "redis+sentinel":
		port = "26379"
		if o.MasterName = path; path == "" {
			return nil, errors.New("redisstore: Sentinel needs a name: redis+sentinel://host/name")
		}
	case "unix":
		o.Addrs = []string{u.Path}
	default:
		return nil, errors.New("redisstore: the URL begins with none of redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster://, rediss+cluster:// and unix://")
	}
	if db != "" {
		if o.DB, err = strconv.Atoi(db); err != nil || o.DB < 0 {
			return nil, errors.New("redisstore: the database is not a number")
		}
	}
	if kind == "unix" {
		return o, nil
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		if host == "" {
			host = "127.0.0.1"
		}
		if i := strings.LastIndexByte(host, ':'); i < 0 || strings.HasSuffix(host, "]") {
			host += ":" + port
		}
		o.Addrs = append(o.Addrs, host)
	}
	if kind == "redis" && len(o.Addrs) > 1 {
		return nil, errors.New("redisstore: several hosts are a Cluster or Sentinel: redis+cluster:// or redis+sentinel://")
	}
	if isTLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if len(o.Addrs) == 1 && !o.IsClusterMode && o.MasterName == "" {
			o.TLSConfig.ServerName = u.Hostname()
		}
	}
	return o, nil
}
