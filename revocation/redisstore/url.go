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

// ParseURL reads the address of a Redis from one line, as flags and environment variables carry it:
//
//	redis://user:password@host:6379/0        one server; rediss:// with TLS
//	unix:///run/redis.sock?db=0              one server on this machine
//	redis+sentinel://host1,host2:26379/name  the primary that Sentinel calls name; rediss+sentinel://
//	redis+cluster://host1,host2:6379         a Cluster; rediss+cluster://
//
// An error does not repeat the line, which may hold a password, unless the line is just a name and
// a port.
func ParseURL(line string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(line)
	if err != nil || u.Scheme == "" {
		return nil, errors.New("redisstore: not a URL: write one such as redis://localhost:6379")
	}
	if _, err := strconv.ParseUint(u.Opaque, 10, 16); err == nil && line == u.Scheme+":"+u.Opaque {
		return nil, fmt.Errorf("redisstore: not a URL: write redis://%s", line)
	}
	o := &redis.UniversalOptions{}
	o.Username = u.User.Username()
	o.Password, _ = u.User.Password()
	kind, isTLS := u.Scheme, false
	if rest, ok := strings.CutPrefix(kind, "rediss"); ok {
		kind, isTLS = "redis"+rest, true
	}
	path := strings.TrimPrefix(u.Path, "/")
	db := u.Query().Get("db")
	switch kind {
	case "redis":
		if o.Addrs = hosts(u.Host, "6379"); len(o.Addrs) > 1 {
			return nil, errors.New("redisstore: several hosts need redis+cluster:// or redis+sentinel://")
		}
		if path != "" {
			db = path
		}
	case "redis+cluster":
		if o.Addrs, o.IsClusterMode = hosts(u.Host, "6379"), true; path != "" || db != "" {
			return nil, errors.New("redisstore: a Cluster has one database: leave its number out")
		}
	case "redis+sentinel":
		if o.Addrs, o.MasterName = hosts(u.Host, "26379"), path; path == "" {
			return nil, errors.New("redisstore: Sentinel needs the name of the primary: redis+sentinel://host/name")
		}
	case "unix":
		o.Addrs = []string{u.Path}
	default:
		return nil, errors.New("redisstore: unknown scheme: use redis://, rediss://, redis+sentinel://, rediss+sentinel://, " +
			"redis+cluster://, rediss+cluster:// or unix://")
	}
	if isTLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if kind == "redis" {
			o.TLSConfig.ServerName = u.Hostname()
		}
	}
	if o.DB, err = database(db); err != nil {
		return nil, err
	}
	return o, nil
}

func database(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, errors.New("redisstore: the database must be a number, 0 or more")
	}
	return n, nil
}

// hosts splits the host of a URL, and completes each one.
func hosts(list, port string) (all []string) {
	for host := range strings.SplitSeq(list, ",") {
		if host == "" {
			host = "127.0.0.1"
		}
		if i := strings.LastIndexByte(host, ':'); i < 0 || strings.HasSuffix(host, "]") {
			host += ":" + port
		}
		all = append(all, host)
	}
	return all
}
