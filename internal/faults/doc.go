// Package faults tests whole applications under faults of Redis, of the network and of
// their own processes. It holds tests only.
//
// A history starts real servers and some processes of one small application. Each process reaches
// Redis through a link of its own. Browsers, thieves with copied cookies and an administrator use
// the application while one fault happens. Afterwards a judge compares the answers with the
// promises of docs/protocol.md. It knows only when each request began and when each revocation was
// acknowledged.
//
// go test plays a few short histories, to keep the package working. "make faults" plays all kinds
// of faults and writes the table of docs/faults.md.
package faults
