// Package tab runs the script of httpmw's Tab in a real Chromium. It holds tests only: make e2e.
package tab
