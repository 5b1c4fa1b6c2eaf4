package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/semaphore"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	maxBulk     = 64 << 20 // bytes of a body
	maxBulkIDs  = 1_000_000
	maxBulkLine = 4 << 10
	maxFaults   = 100 // lines that an answer says something about
	bulkTime    = 10 * time.Minute
)

// bulkBodyTime is how long a body of many revocations may take to arrive.
var bulkBodyTime = 2 * time.Minute

// revokeMany revokes the ids in a body past the log, see [revocation.List.RevokeMany]. The first line of
// the body is an object, as for POST /revocations without an id, and each other line is an id as a
// JSON string. Nothing is revoked if a line is wrong.
//
// A body is read before the call waits for its turn to revoke, so a slow one holds up nobody. All
// bodies together have as much memory as two of the longest.
func (a *API) revokeMany(c *call) (any, error) {
	if kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type")); err != nil || kind != "application/x-ndjson" {
		return nil, refuse(http.StatusUnsupportedMediaType, "media_type", "The body must be application/x-ndjson.")
	}
	body := &roomy{from: http.MaxBytesReader(c.w, c.Body, maxBulk), room: a.room}
	defer body.free()
	asked, ids, err := c.readMany(body)
	if err != nil {
		return nil, err
	}
	ctx, err := c.by(asked.Actor, asked.Reason)
	if err != nil {
		return nil, err
	}
	if asked.DryRun {
		return adminapi.ManyPreviewOf(a.list, ids.scope, ids.n)
	}
	ctx = context.WithoutCancel(ctx) // the time of c is for small bodies
	turn, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if a.bulk.Acquire(turn, 1) != nil {
		return nil, refuse(http.StatusConflict, "busy", "This replica revokes many already. Ask again when it is done.")
	}
	defer a.bulk.Release(1)
	ctx, cancel = context.WithTimeout(ctx, bulkTime)
	defer cancel()
	got, err := a.list.RevokeMany(ctx, ids.targets, nil)
	switch {
	case err == nil:
		return adminapi.ManyReceiptOf(got, ids.n), nil
	case errors.Is(err, revocation.ErrUnavailable) && !errors.Is(err, revocation.ErrNotReady):
		return nil, unavailable("unavailable", "The store did not acknowledge all of them, and other replicas may know none. Send the same body again.")
	}
	return nil, err
}

// readMany reads a body of many revocations, with limits of time in place of the server's, which are
// for small bodies.
func (c *call) readMany(body io.Reader) (adminapi.Many, *many, error) {
	conn := http.NewResponseController(c.w)
	until := time.Now().Add(bulkBodyTime)
	_, _ = conn.SetReadDeadline(until), conn.SetWriteDeadline(until.Add(bulkTime+2*timeout))
	asked, ids, err := readMany(body)
	if err == nil { // else the server must not wait for the rest, so the limit stays
		_ = conn.SetReadDeadline(time.Time{})
	}
	return asked, ids, err
}

const piece = 64 << 10 // bytes for which roomy asks at once

var errNoRoom = errors.New("admin: no room for another body")

// A roomy reads a body only while there is room for it in memory.
type roomy struct {
	from       io.Reader
	room       *semaphore.Weighted // bytes
	held, read int64
}

func (r *roomy) Read(p []byte) (int, error) {
	if r.read == r.held {
		if !r.room.TryAcquire(piece) {
			return 0, errNoRoom
		}
		r.held += piece
	}
	n, err := r.from.Read(p[:min(int64(len(p)), r.held-r.read)])
	r.read += int64(n)
	return n, err
}

// free gives the room back.
func (r *roomy) free() { r.room.Release(r.held) }

// many are the ids of a body.
type many struct {
	scope revlog.Scope
	ids   []byte // the length of each in 2 bytes, and the id
	n     int
}

// targets ranges over the ids.
func (m *many) targets(yield func(revocation.Target) bool) {
	for rest := m.ids; len(rest) > 0; {
		n := binary.BigEndian.Uint16(rest)
		if !yield(revocation.TargetOf(m.scope, string(rest[2:2+n]))) {
			return
		}
		rest = rest[2+n:]
	}
}

// readMany reads a body of many revocations.
func readMany(body io.Reader) (asked adminapi.Many, ids *many, err error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, maxBulkLine), maxBulkLine)
	if !lines.Scan() {
		return asked, nil, brokenOff(lines.Err(), 1)
	}
	if err := parse(lines.Bytes(), members(&asked)); err != nil {
		return asked, nil, err
	}
	scope, ok := revlog.ParseScope(asked.Scope)
	if !ok || scope.Global() {
		return asked, nil, invalid(`"scope" must be session, subject or group.`)
	}
	if asked.Effect != "" && asked.Effect != revlog.End.String() {
		return asked, nil, invalid(`Many can only be ended: "effect" must be end, or left out.`)
	}
	ids = &many{scope: scope}
	var faults []adminapi.Fault
	n := 1
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if why := ids.add(line); why != "" {
			if len(faults) < maxFaults {
				faults = append(faults, adminapi.Fault{Line: n, Detail: why})
			}
			continue
		}
		if ids.n > maxBulkIDs {
			return asked, nil, refuse(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("The body has more than %d ids.", maxBulkIDs))
		}
	}
	switch err := lines.Err(); {
	case err != nil:
		return asked, nil, brokenOff(err, n+1)
	case len(faults) > 0:
		refused := refuse(http.StatusUnprocessableEntity, "lines", "Some lines are no ids. Nothing was revoked.")
		refused.Lines = faults
		return asked, nil, refused
	case ids.n == 0:
		return asked, nil, invalid("The body has no ids.")
	}
	return asked, ids, nil
}

// add adds the id in a line, or says what is wrong with it.
func (m *many) add(line []byte) (why string) {
	var id string
	if line[0] != '"' || !utf8.Valid(line) || halved(line) || json.Unmarshal(line, &id) != nil {
		return "The line is not a JSON string."
	}
	if err := revocation.TargetOf(m.scope, id).Check(); err != nil {
		return problemOf(err).Detail
	}
	m.ids = append(binary.BigEndian.AppendUint16(m.ids, uint16(len(id))), id...)
	m.n++
	return ""
}

// brokenOff says why the body ended before line n.
func brokenOff(err error, n int) error {
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return refuse(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("The body is longer than %d bytes.", maxBulk))
	}
	switch {
	case errors.Is(err, errNoRoom):
		return refuse(http.StatusConflict, "busy", "This replica holds too many bodies like this one already. Ask again when it is done.")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return malformed(fmt.Sprintf("The body did not arrive within %v.", bulkBodyTime))
	case errors.Is(err, bufio.ErrTooLong):
		return refuse(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("Line %d is longer than %d bytes.", n, maxBulkLine))
	case err != nil:
		return malformed("The body did not arrive.")
	}
	return malformed("The body is empty. Its first line is an object, and each other line an id.")
}
