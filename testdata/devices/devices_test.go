// Package devices_test runs httpmw/devices/sqldevices on real databases, on whose drivers nobody who
// uses Wafer has to depend.
package devices_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/devices/devicestest"
	"github.com/wafer-sessions/wafer/httpmw/devices/sqldevices"
	"github.com/wafer-sessions/wafer/testdata/devices/pgtest"
)

func database(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(20)
	t.Cleanup(func() { db.Close() })
	return db
}

func store(t testing.TB, db *sql.DB, d sqldevices.Dialect, c sqldevices.Config) *sqldevices.Store {
	t.Helper()
	s, err := sqldevices.New(db, d, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func sqlite(t testing.TB) *sql.DB {
	return database(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "app.db")+"?_pragma=busy_timeout(30000)&_pragma=journal_mode(WAL)")
}

func TestPostgreSQL(t *testing.T) {
	dsn := pgtest.Start(t)
	for _, driver := range []string{"pgx", "postgres"} {
		db := database(t, driver, dsn)
		for name, setting := range map[string]string{
			"": "read committed", ", serializable unless told otherwise": "serializable",
		} {
			if _, err := db.Exec("ALTER DATABASE postgres SET default_transaction_isolation = '" + setting + "'"); err != nil {
				t.Fatal(err)
			}
			n := 0
			t.Run(driver+name, func(t *testing.T) {
				db := database(t, driver, dsn) // with the setting
				devicestest.Test(t, func(t *testing.T) devices.Store {
					n++
					return store(t, db, sqldevices.PostgreSQL, sqldevices.Config{Table: fmt.Sprintf("%s_%s_%d", driver, setting[:4], n)})
				})
			})
		}
	}
}

func TestSQLite(t *testing.T) {
	devicestest.Test(t, func(t *testing.T) devices.Store { return store(t, sqlite(t), sqldevices.SQLite, sqldevices.Config{}) })
}
