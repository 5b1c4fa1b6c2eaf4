// Package proxies runs three replicas of an application behind nginx, haproxy and Apache, as Debian
// ships them. It holds tests only: make e2e. The files in testdata are what docs/proxies.md shows.
package proxies
