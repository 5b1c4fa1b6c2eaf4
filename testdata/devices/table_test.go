package devices_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/devices/sqldevices"
	"github.com/wafer-sessions/wafer/testdata/devices/pgtest"
)

// each runs a test on each database.
func each(t *testing.T, f func(t *testing.T, db *sql.DB, d sqldevices.Dialect)) {
	t.Run("PostgreSQL", func(t *testing.T) { f(t, database(t, "pgx", pgtest.Start(t)), sqldevices.PostgreSQL) })
	t.Run("SQLite", func(t *testing.T) { f(t, sqlite(t), sqldevices.SQLite) })
}

func row(id string, seen time.Time) devices.Device {
	return devices.Device{ID: id, LoginTime: seen, Began: seen, Seen: seen, Until: seen.Add(time.Hour)}
}

func put(t *testing.T, s *sqldevices.Store, owner string, d devices.Device) {
	t.Helper()
	if _, err := s.Put(t.Context(), owner, d, "", 0); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *sql.DB, table string) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A table that was dropped is an error until it is made again, in another schema as well.
func TestTheTableIsLost(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqldevices.Dialect) {
		table := "main.devices"
		if d == sqldevices.PostgreSQL {
			table = "app.devices"
			if _, err := db.Exec("CREATE SCHEMA app"); err != nil {
				t.Fatal(err)
			}
		}
		s := store(t, db, d, sqldevices.Config{Table: table})
		if err := s.Create(t.Context()); err != nil {
			t.Errorf("once more: %v", err)
		}
		put(t, s, "a", row("1", time.Now()))
		if _, err := db.Exec("DROP TABLE " + table); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), "a", row("1", time.Now()), "", 1); err == nil {
			t.Error("Put succeeds without a table")
		}
		if _, err := s.List(t.Context(), "a"); err == nil {
			t.Error("List succeeds without a table")
		}
		if err := s.Delete(t.Context(), "a", "1"); err == nil {
			t.Error("Delete succeeds without a table")
		}
		if err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		put(t, s, "a", row("1", time.Now()))
		if n := count(t, db, table); n != 1 {
			t.Errorf("%d rows", n)
		}
	})
}

// Rows of those who do not come back go too, some at a time, behind writes that nobody waits for.
func TestRowsThatAreOverGo(t *testing.T) {
	each(t, func(t *testing.T, db *sql.DB, d sqldevices.Dialect) {
		s := store(t, db, d, sqldevices.Config{})
		now := time.Now()
		for _, owner := range []string{"a", "b", "c"} {
			put(t, s, owner, row("1", now))
		}
		later := now.Add(2 * time.Hour)
		if _, err := s.Put(t.Context(), "d", row("1", later), "", 1); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db, "wafer_devices"); n != 4 {
			t.Errorf("%d rows after a login, want 4", n)
		}
		put(t, s, "e", row("1", later))
		if n := count(t, db, "wafer_devices"); n != 2 {
			t.Errorf("%d rows afterwards, want 2", n)
		}
	})
}
