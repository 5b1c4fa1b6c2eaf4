// Package ops holds the tests of docs/ops, and makes the dashboard there from the list of metrics:
// go generate ./internal/ops. Tests with a real Prometheus are in testdata/e2e.
package ops

//go:generate go test -run TestDashboard -update .
