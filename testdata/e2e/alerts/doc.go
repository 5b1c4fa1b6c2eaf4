// Package alerts holds the tests of docs/ops with a real Prometheus. It scrapes two demos that share a
// Redis while that Redis, the network and the demos fail in every way that docs/redis.md knows. Each
// fault must fire its alert, and the end of the fault must clear it.
//
// The rules are those of docs/ops/alerts.yml with every duration divided by scale: windows, and how
// long a condition must hold. Numbers that are compared are the same.
package alerts
