package httpmw

// ScanCookies shows the scanner to tests.
func ScanCookies(c Config, fields []string) (session, seen []string) {
	style := newCookieStyle(c)
	var f found
	style.scan(fields, &f)
	return f.session.head[:f.session.heads], f.seen[:f.seens]
}
