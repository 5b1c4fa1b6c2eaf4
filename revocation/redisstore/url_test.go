package redisstore_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
)

func TestParseURL(t *testing.T) {
	type want struct {
		Addrs                  []string
		User, Password, Master string
		DB                     int
		Cluster, TLS           bool
	}
	for _, tt := range []struct {
		in   string
		want want
	}{
		{"redis://", want{Addrs: []string{"127.0.0.1:6379"}}},
		{"redis://u:p%40ss@h:7000/3", want{Addrs: []string{"h:7000"}, User: "u", Password: "p@ss", DB: 3}},
		{"rediss://h", want{Addrs: []string{"h:6379"}, TLS: true}},
		{"redis://[::1]", want{Addrs: []string{"[::1]:6379"}}},
		{"unix:///run/redis.sock?db=2", want{Addrs: []string{"/run/redis.sock"}, DB: 2}},
		{"redis+sentinel://:p@a,b:5/main", want{Addrs: []string{"a:26379", "b:5"}, Password: "p", Master: "main"}},
		{"rediss+cluster://a,b", want{Addrs: []string{"a:6379", "b:6379"}, Cluster: true, TLS: true}},
	} {
		o, err := redisstore.ParseURL(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
			continue
		}
		got := want{o.Addrs, o.Username, o.Password, o.MasterName, o.DB, o.IsClusterMode, o.TLSConfig != nil}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.in, d)
		}
	}
	for _, in := range []string{
		"", "localhost:6379", "http://h", "redis://a,b", "redis+sentinel://h", "redis+cluster://h/1", "redis://u:secret@h/x", "redis://u:secret@h:%zz",
		"user:secret@h:6379", "secret://h", "secret:foo",
	} {
		if o, err := redisstore.ParseURL(in); err == nil {
			t.Errorf("%q: %+v", in, o)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
	if _, err := redisstore.ParseURL("localhost:7379"); err == nil || !strings.Contains(err.Error(), "redis://localhost:7379") {
		t.Errorf("a name and a port: %v", err)
	}
}
