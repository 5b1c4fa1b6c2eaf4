package backchannel_test

import (
	"errors"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/backchannel"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func TestConfig(t *testing.T) {
	list := openList(t, revlog.NewMemory())
	defer list.Close()
	for _, row := range []struct {
		name   string
		change func(*backchannel.Config)
		ok     bool
	}{
		{"least", func(*backchannel.Config) {}, true},
		{"no issuer", func(c *backchannel.Config) { c.Issuer = "" }, false},
		{"no client", func(c *backchannel.Config) { c.ClientIDs = nil }, false},
		{"empty client", func(c *backchannel.Config) { c.ClientIDs = []string{"shop", ""} }, false},
		{"http", func(c *backchannel.Config) { c.Issuer = "http://id.example" }, false},
		{"http by name", func(c *backchannel.Config) { c.Issuer, c.InsecureHTTP = "http://id.example", true }, true},
		{"http on localhost", func(c *backchannel.Config) { c.Issuer = "http://localhost:8081/realms/shop" }, true},
		{"http on loopback", func(c *backchannel.Config) { c.Issuer = "http://[::1]:8081" }, true},
		{"http on a host that looks like it", func(c *backchannel.Config) { c.Issuer = "http://localhost.example" }, false},
		{"http for keys", func(c *backchannel.Config) { c.JWKSURL = "http://id.example/keys" }, false},
		{"issuer that is not a URL", func(c *backchannel.Config) { c.Issuer = "id.example" }, false},
		{"issuer that is not a URL, keys elsewhere", func(c *backchannel.Config) { c.Issuer, c.JWKSURL = "shop", "https://id.example/keys" }, true},
		{"file", func(c *backchannel.Config) { c.JWKSURL = "file:///keys" }, false},
		{"password in the address", func(c *backchannel.Config) { c.JWKSURL = "https://a:b@id.example/keys" }, false},
		{"none", func(c *backchannel.Config) { c.Algorithms = []string{"none"} }, false},
		{"HS256", func(c *backchannel.Config) { c.Algorithms = []string{"RS256", "HS256"} }, false},
		{"empty algorithm", func(c *backchannel.Config) { c.Algorithms = []string{""} }, false},
		{"secp256k1", func(c *backchannel.Config) { c.Algorithms = []string{"ES256K"} }, false},
		{"leeway", func(c *backchannel.Config) { c.Leeway = 5 * time.Minute }, true},
		{"too much leeway", func(c *backchannel.Config) { c.Leeway = 5*time.Minute + 1 }, false},
		{"negative leeway", func(c *backchannel.Config) { c.Leeway = -1 }, false},
		{"age", func(c *backchannel.Config) { c.MaxAge = time.Hour }, true},
		{"too old", func(c *backchannel.Config) { c.MaxAge = time.Hour + 1 }, false},
		{"negative age", func(c *backchannel.Config) { c.MaxAge = -1 }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := backchannel.Config{Issuer: "https://id.example", ClientIDs: []string{"shop"}}
			row.change(&c)
			if r, err := backchannel.New(list, c); (err == nil) != row.ok || (r != nil) != row.ok {
				t.Errorf("%v", err)
			}
		})
	}
}

// Without a list a logout could not end anything, so it must not be promised to the provider.
func TestNoList(t *testing.T) {
	c := backchannel.Config{Issuer: "https://id.example", ClientIDs: []string{"shop"}}
	if _, err := backchannel.New(revocation.Disabled(keys.Generate(0)), c); !errors.Is(err, revocation.ErrDisabled) {
		t.Errorf("disabled: %v", err)
	}
	if _, err := backchannel.New(nil, c); err == nil {
		t.Error("nil was accepted")
	}
}
