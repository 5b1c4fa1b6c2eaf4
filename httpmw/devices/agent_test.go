package devices

import (
	"strings"
	"testing"
)

func TestAgent(t *testing.T) {
	const mozilla = "Mozilla/5.0 "
	for ua, want := range map[string]string{
		"": "", "nonsense": "", "\x00\xff <script>": "",
		mozilla + "(X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                         "Firefox on Linux",
		mozilla + "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36":                                "Chrome on Windows",
		mozilla + "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0":                  "Edge on Windows",
		mozilla + "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36 OPR/120.0.0.0":                  "Opera on Windows",
		mozilla + "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                          "Safari on Mac",
		mozilla + "(iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/137.0.7151.79 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
		mozilla + "(iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1":                 "Safari on iPad",
		mozilla + "(Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Mobile Safari/537.36":                                "Chrome on Android",
		mozilla + "(Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36":            "Samsung Internet on Android",
		mozilla + "(X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/137.0.0.0 Safari/537.36":                                 "Chrome on ChromeOS",
		"curl/8.14.1": "curl", "Go-http-client/2.0": "a Go program", "Linux": "Linux",
		strings.Repeat("x", 512) + "Firefox/": "",
	} {
		if got := agent(ua); got != want {
			t.Errorf("%.200q: %q, want %q", ua, got, want)
		}
	}
}

// Nothing that a client wrote comes out.
func FuzzAgent(f *testing.F) {
	for _, ua := range []string{"", "Firefox/1 Windows", "curl/8", "\x00Edg Linux\n", "<b>Android</b>"} {
		f.Add(ua)
	}
	known := map[string]bool{"": true}
	for _, b := range append(words{{"", ""}}, browsers...) {
		for _, s := range append(words{{"", ""}}, systems...) {
			both := b[1] + " on " + s[1]
			known[strings.TrimSuffix(strings.TrimPrefix(both, " on "), " on ")] = true
		}
	}
	f.Fuzz(func(t *testing.T, ua string) {
		if got := agent(ua); !known[got] {
			t.Errorf("%q: %q", ua, got)
		}
	})
}
