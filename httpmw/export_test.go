package httpmw

// ScanCookies shows the scanner to tests.
func ScanCookies(c Config, fields []string) (session, renewal []string) {
	style := newCookieStyle(c)
	var f found
	style.scan(fields, &f)
	return f.session.all(), f.renewal.all()
}
