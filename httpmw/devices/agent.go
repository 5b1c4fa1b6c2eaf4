package devices

import "strings"

// words are what a User-Agent holds and what it stands for. The first that is found counts: the
// browsers that come first also name those that come later.
type words [][2]string

var (
	browsers = words{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Vivaldi/", "Vivaldi"}, {"YaBrowser/", "Yandex Browser"},
		{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Chromium/", "Chromium"},
		{"Safari/", "Safari"}, {"curl/", "curl"}, {"Go-http-client/", "a Go program"}, {"python", "a Python program"}, {"okhttp/", "an app"},
	}
	systems = words{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"}, {"Windows", "Windows"},
		{"Macintosh", "Mac"}, {"Linux", "Linux"},
	}
)

func (w words) in(ua string) string {
	for _, word := range w {
		if strings.Contains(ua, word[0]) {
			return word[1]
		}
	}
	return ""
}

const maxUserAgent = 512 // bytes that are looked at

// agent says in a few fixed words what a User-Agent tells, "" if nothing. So nothing that the client
// wrote is ever stored or shown.
func agent(ua string) string {
	ua = ua[:min(len(ua), maxUserAgent)]
	browser, system := browsers.in(ua), systems.in(ua)
	switch {
	case browser == "":
		return system
	case system == "":
		return browser
	}
	return browser + " on " + system
}
