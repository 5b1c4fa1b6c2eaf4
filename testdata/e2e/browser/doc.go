// Package browser shows the demo, the console and the cookies of an application to a real Chromium. It
// holds tests only: make e2e.
package browser
