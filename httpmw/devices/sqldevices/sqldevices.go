// Package sqldevices keeps the list of package devices in PostgreSQL 11 or later or in SQLite 3.35 or
// later, through database/sql. The program imports the driver: for PostgreSQL
// github.com/jackc/pgx/v5/stdlib or github.com/lib/pq, for SQLite modernc.org/sqlite or another. The
// tests run with these three.
//
// # The table
//
// [Store.Create] makes the table if it is not there, and [Store.Schema] returns its statements for a
// migration tool. A row is about 200 bytes. Times are Unix ms. Rows of subjects who do not come back
// are deleted some at a time, within minutes after their sessions are over. Nothing refers to the
// table, so it may be emptied or dropped and made again at any time. On PostgreSQL a write holds an
// advisory lock of its owner until its transaction ends.
//
// # SQLite
//
// Only one connection writes at a time, and the others wait for as long as their busy timeout says,
// which must not be 0: open modernc.org/sqlite with "?_pragma=busy_timeout(5000)". The file may be the
// application's own. An in-memory database is a different one for each connection.
package sqldevices

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/devices"
)

// A Dialect is the SQL that a database understands.
type Dialect int

// The dialects. The zero Dialect is refused.
const (
	PostgreSQL Dialect = iota + 1
	SQLite
)

// Config of a Store. The zero value is good for production.
type Config struct {
	// Table is the name of the table: lower-case letters, digits and "_", at most 40, and perhaps a
	// schema before it, as in "app.devices". Zero: "wafer_devices".
	Table string
}

// A Store is a [devices.Store] in a table. It is safe for concurrent use.
type Store struct {
	db      *sql.DB
	dialect Dialect
	table   string
	stmt    statements
	swept   atomic.Int64 // Unix ms when rows of all owners were deleted last
}

var _ devices.Store = (*Store)(nil)

// New returns a Store that uses db, which stays open. It does no I/O: see [Store.Create].
func New(db *sql.DB, d Dialect, c Config) (*Store, error) {
	if c.Table == "" {
		c.Table = "wafer_devices"
	}
	switch {
	case db == nil:
		return nil, errors.New("sqldevices: New: nil database")
	case d != PostgreSQL && d != SQLite:
		return nil, errors.New("sqldevices: New: no known dialect: use PostgreSQL or SQLite")
	case !validTable(c.Table):
		return nil, fmt.Errorf("sqldevices: Config.Table: %q may contain only lower-case letters, digits, _ and one dot", c.Table)
	}
	return &Store{db: db, dialect: d, table: c.Table, stmt: newStatements(d, c.Table)}, nil
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (s *Store) Format(f fmt.State, _ rune) { io.WriteString(f, "sqldevices.Store") }

const maxTable = 40 // bytes of a name

func validTable(name string) bool {
	parts := strings.Split(name, ".")
	if len(parts) > 2 {
		return false
	}
	for _, p := range parts {
		if p == "" || len(p) > maxTable || p[0] >= '0' && p[0] <= '9' {
			return false
		}
		for i := range len(p) {
			if c := p[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_') {
				return false
			}
		}
	}
	return true
}

// Schema returns the statements that make the table.
func (s *Store) Schema() string {
	index := strings.ReplaceAll(s.table, ".", "_") + "_expires"
	on := s.table
	if schema, table, ok := strings.Cut(s.table, "."); ok && s.dialect == SQLite {
		index, on = schema+"."+index, table // there the schema belongs to the index
	}
	text := "TEXT"
	if s.dialect == PostgreSQL {
		text = `TEXT COLLATE "C"`
	}
	return fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %[1]s (
	owner   %[2]s NOT NULL, -- a pseudonym of the user
	session %[2]s NOT NULL, -- the id
	name    TEXT NOT NULL, -- what the application called the device
	agent   TEXT NOT NULL, -- browser and system
	login   BIGINT NOT NULL, -- when the user logged in; times are Unix ms
	began   BIGINT NOT NULL, -- when the session began, in log time
	seen    BIGINT NOT NULL, -- when it was used
	expires BIGINT NOT NULL, -- when it ends if it is not used again
	PRIMARY KEY (owner, session)
);
CREATE INDEX IF NOT EXISTS %[3]s ON %[4]s (expires);
`, s.table, text, index, on)
}

// Create makes the table if it is not there.
func (s *Store) Create(ctx context.Context) error {
	for statement := range strings.SplitSeq(s.Schema(), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("sqldevices: create the table: %w", err)
		}
	}
	return nil
}

// Put implements [devices.Store].
func (s *Store) Put(ctx context.Context, owner string, d devices.Device, previous string, max int) (excess []string, err error) {
	err = s.alone(ctx, owner, func(tx *sql.Tx) error {
		// This comes first, because SQLite lets one transaction write at a time from its first write on.
		if _, err := tx.ExecContext(ctx, s.stmt.expire, owner, d.Seen.UnixMilli()); err != nil {
			return err
		}
		if err := s.name(ctx, tx, owner, &d, previous); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, s.stmt.put, owner, d.ID, d.Name, d.Agent, d.LoginTime.UnixMilli(), d.Began.UnixMilli(),
			d.Seen.UnixMilli(), d.Until.UnixMilli()); err != nil {
			return err
		}
		if max == 0 {
			return nil
		}
		excess, err = s.tooMany(ctx, tx, owner, d.ID, max)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqldevices: %w", err)
	}
	if max == 0 {
		s.sweep(ctx, d.Seen)
	}
	return excess, nil
}

// alone runs f in a transaction while no other one of the same owner runs.
func (s *Store) alone(ctx context.Context, owner string, f func(*sql.Tx) error) error {
	var o *sql.TxOptions
	if s.dialect == PostgreSQL {
		// At a higher level, each statement would see the rows from before the lock was granted.
		o = &sql.TxOptions{Isolation: sql.LevelReadCommitted}
	}
	tx, err := s.db.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if s.dialect == PostgreSQL {
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", s.table+" "+owner); err != nil {
			return err
		}
	}
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// name completes the name of d, and deletes the row whose place d takes.
func (s *Store) name(ctx context.Context, tx *sql.Tx, owner string, d *devices.Device, previous string) error {
	if d.Name == "" {
		err := tx.QueryRowContext(ctx, s.stmt.name, owner, d.ID, previous).Scan(&d.Name)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	if previous == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, s.stmt.delete, owner, previous)
	return err
}

func (s *Store) tooMany(ctx context.Context, tx *sql.Tx, owner, id string, max int) (excess []string, err error) {
	rows, err := tx.QueryContext(ctx, s.stmt.excess, owner, id, max-1)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		excess = append(excess, id)
	}
	return excess, rows.Err()
}

const sweepEvery = 10 * time.Minute

// sweep deletes some rows of anybody that are over. It runs behind a write that nobody waits for, and
// does not matter if it fails.
func (s *Store) sweep(ctx context.Context, now time.Time) {
	before := s.swept.Load()
	if now.UnixMilli()-before < sweepEvery.Milliseconds() || !s.swept.CompareAndSwap(before, now.UnixMilli()) {
		return
	}
	s.db.ExecContext(ctx, s.stmt.sweep, now.UnixMilli())
}

// List implements [devices.Store].
func (s *Store) List(ctx context.Context, owner string) ([]devices.Device, error) {
	rows, err := s.db.QueryContext(ctx, s.stmt.list, owner)
	if err != nil {
		return nil, fmt.Errorf("sqldevices: %w", err)
	}
	defer rows.Close()
	var all []devices.Device
	for rows.Next() {
		var d devices.Device
		var login, began, seen, until int64
		if err := rows.Scan(&d.ID, &d.Name, &d.Agent, &login, &began, &seen, &until); err != nil {
			return nil, fmt.Errorf("sqldevices: %w", err)
		}
		d.LoginTime, d.Began, d.Seen, d.Until = time.UnixMilli(login), time.UnixMilli(began), time.UnixMilli(seen), time.UnixMilli(until)
		all = append(all, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("sqldevices: %w", err)
	}
	return all, nil
}

// Delete implements [devices.Store].
func (s *Store) Delete(ctx context.Context, owner string, ids ...string) error {
	if len(ids) == 0 {
		return ctx.Err()
	}
	err := s.alone(ctx, owner, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, s.stmt.delete, owner, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sqldevices: %w", err)
	}
	return nil
}
