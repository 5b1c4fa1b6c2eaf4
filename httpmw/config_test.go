package httpmw_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

func TestNewNamesWhatIsWrong(t *testing.T) {
	ring := keys.Generate(0)
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	for name, row := range map[string]struct {
		config httpmw.Config
		wrong  string // "": nothing
	}{
		"zero":                     {httpmw.Config{}, ""},
		"all limits":               {httpmw.Config{Idle: 2 * time.Hour, Absolute: 24 * time.Hour}, ""},
		"absolute beyond ring":     {httpmw.Config{Absolute: 24*time.Hour + time.Second}, "Config.Absolute: 24h0m1s is above the ring's max_session"},
		"idle beyond list":         {httpmw.Config{Idle: 2*time.Hour + time.Second}, "Config.Idle: 2h0m1s is above the list's MaxIdle"},
		"idle too short":           {httpmw.Config{Idle: time.Millisecond}, "Config.Idle"},
		"negative":                 {httpmw.Config{Idle: -time.Hour}, "Config.Idle"},
		"absolute below idle":      {httpmw.Config{Absolute: time.Hour}, "Config.Absolute"},
		"app":                      {httpmw.Config{App: "shop_2-b"}, ""},
		"app with blank":           {httpmw.Config{App: "my shop"}, "Config.App"},
		"app with header":          {httpmw.Config{App: "a\r\nSet-Cookie: b"}, "Config.App"},
		"app with equals":          {httpmw.Config{App: "a=b"}, "Config.App"},
		"app of another's renewal": {httpmw.Config{App: "shop-seen"}, "Config.App"},
		"app of nobody's sessions": {httpmw.Config{App: "shop-anon"}, "Config.App"},
		"app too long":             {httpmw.Config{App: strings.Repeat("a", 65)}, "Config.App"},
		"domain":                   {httpmw.Config{Domain: "example.com"}, ""},
		"domain with dot":          {httpmw.Config{Domain: ".example.com"}, "Config.Domain"},
		"domain of one label":      {httpmw.Config{Domain: "localhost"}, "Config.Domain"},
		"domain is an address":     {httpmw.Config{Domain: "10.0.0.1"}, "Config.Domain"},
		"domain with port":         {httpmw.Config{Domain: "example.com:443"}, "Config.Domain"},
		"domain with attribute":    {httpmw.Config{Domain: "example.com; Path=/x"}, "Config.Domain"},
		"SameSite none":            {httpmw.Config{SameSite: http.SameSiteNoneMode}, ""},
		"SameSite none over http":  {httpmw.Config{SameSite: http.SameSiteNoneMode, InsecureHTTP: true}, "Config.SameSite"},
		"SameSite unknown":         {httpmw.Config{SameSite: 17}, "Config.SameSite"},
		"partitioned over http":    {httpmw.Config{Partitioned: true, InsecureHTTP: true}, "Config.Partitioned"},
		"cookies negative":         {httpmw.Config{MaxCookies: -1}, "Config.MaxCookies"},
		"cookies many":             {httpmw.Config{MaxCookies: 4}, "Config.MaxCookies"},
		"remember short":           {httpmw.Config{Remember: httpmw.Limits{Idle: time.Hour, Absolute: 24 * time.Hour}}, "Config.Remember.Absolute"},
		"remember without idle":    {httpmw.Config{Absolute: 20 * time.Hour, Remember: httpmw.Limits{Absolute: 24 * time.Hour}}, "Config.Remember.Idle"},
		"remember beyond ring":     {httpmw.Config{Remember: httpmw.Limits{Idle: time.Hour, Absolute: 48 * time.Hour}}, "Config.Remember.Absolute"},
		"warning":                  {httpmw.Config{Warn: time.Hour}, ""},
		"warning too short":        {httpmw.Config{Warn: 19 * time.Second}, "Config.Warn"},
		"warning negative":         {httpmw.Config{Warn: -time.Second}, "Config.Warn"},
		"warning too long":         {httpmw.Config{Warn: time.Hour + time.Second}, "Config.Warn"},
		"warning of all there is":  {httpmw.Config{Idle: 20 * time.Second, Warn: 10 * time.Second}, ""},
		"streams":                  {httpmw.Config{MaxStreams: -1}, "Config.MaxStreams"},
		"clear":                    {httpmw.Config{ClearSiteData: []string{"cache", "cookies", "storage"}}, ""},
		"clear with quotes":        {httpmw.Config{ClearSiteData: []string{`"cache"`}}, "Config.ClearSiteData"},
		"clear all":                {httpmw.Config{ClearSiteData: []string{"*"}}, "Config.ClearSiteData"},
		"remember":                 {httpmw.Config{Absolute: 20 * time.Hour, Remember: httpmw.Limits{Idle: time.Hour, Absolute: 24 * time.Hour}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := httpmw.New[cart](keys.Static(ring), list, row.config)
			switch {
			case row.wrong == "" && err != nil:
				t.Errorf("refused: %v", err)
			case row.wrong != "" && (err == nil || !strings.Contains(err.Error(), row.wrong)):
				t.Errorf("got %v, want an error that names %q", err, row.wrong)
			}
		})
	}
}

func TestNewRefusesWhatDoesNotBelongTogether(t *testing.T) {
	ring := keys.Generate(0)
	other, err := revocation.Open(t.Context(), revlog.NewMemory(), keys.Generate(0), revocation.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	if _, err := httpmw.New[cart](keys.Static(ring), other, httpmw.Config{}); err == nil || !strings.Contains(err.Error(), "list key") {
		t.Errorf("a list opened with another ring: %v", err)
	}
	if _, err := httpmw.New[cart](nil, other, httpmw.Config{}); err == nil {
		t.Error("no ring was accepted")
	}
	if _, err := httpmw.New[cart](keys.Static(ring), nil, httpmw.Config{}); err == nil || !strings.Contains(err.Error(), "revocation.Disabled") {
		t.Errorf("no list: %v", err)
	}
	if _, err := httpmw.New[cart](keys.Static(ring), revocation.Disabled(ring), httpmw.Config{}); err != nil {
		t.Errorf("the disabled list: %v", err)
	}
}

// The defaults fit into a ring and a list that were made for less.
func TestZeroLimitsFitTheRingAndTheList(t *testing.T) {
	ring := keys.Generate(time.Hour)
	list, err := revocation.Open(t.Context(), revlog.NewMemory(), ring, revocation.Config{MaxIdle: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	m, err := httpmw.New[cart](keys.Static(ring), list, httpmw.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Manager: m, ring: ring, list: list}
	start := time.Now()
	f.in(newBrowser(), func(_ http.ResponseWriter, r *http.Request, s *httpmw.Session[cart]) {
		if err := s.Login(r.Context(), httpmw.Identity{Subject: "ann"}); err != nil {
			t.Fatal(err)
		}
		idle, absolute := s.Deadlines()
		if d := idle.Sub(start).Round(time.Minute); d != 10*time.Minute {
			t.Errorf("idle limit %v, want that of the list", d)
		}
		if d := absolute.Sub(start).Round(time.Minute); d != time.Hour {
			t.Errorf("absolute limit %v, want that of the ring", d)
		}
	})
}
