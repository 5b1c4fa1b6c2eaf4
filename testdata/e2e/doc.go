// Package e2e runs whole applications, in processes of their own, as users run them. It holds tests
// only: make e2e.
package e2e
