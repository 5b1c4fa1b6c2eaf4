package sqldevices_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/devices/sqldevices"
)

// connector stands for a database that does not answer. The tests with real ones are in
// testdata/devices.
type connector struct{}

func (connector) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("no database") }
func (connector) Driver() driver.Driver                        { return nil }

func TestWhatNewRefuses(t *testing.T) {
	db := sql.OpenDB(connector{})
	for name, row := range map[string]struct {
		db      *sql.DB
		dialect sqldevices.Dialect
		table   string
		ok      bool
	}{
		"the least":       {db, sqldevices.PostgreSQL, "", true},
		"a schema":        {db, sqldevices.SQLite, "app.devices_2", true},
		"no database":     {nil, sqldevices.SQLite, "", false},
		"no dialect":      {db, 0, "", false},
		"another dialect": {db, 3, "", false},
		"two schemas":     {db, sqldevices.SQLite, "a.b.c", false},
		"no table":        {db, sqldevices.SQLite, "app.", false},
		"capitals":        {db, sqldevices.SQLite, "Devices", false},
		"a digit first":   {db, sqldevices.SQLite, "2devices", false},
		"an injection":    {db, sqldevices.SQLite, "x; DROP TABLE users", false},
		"a quote":         {db, sqldevices.SQLite, `x"`, false},
		"too long":        {db, sqldevices.SQLite, strings.Repeat("x", 41), false},
	} {
		if _, err := sqldevices.New(row.db, row.dialect, sqldevices.Config{Table: row.table}); (err == nil) != row.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSchema(t *testing.T) {
	db := sql.OpenDB(connector{})
	for _, row := range []struct {
		dialect sqldevices.Dialect
		table   string
		want    []string
	}{
		{sqldevices.PostgreSQL, "", []string{"TABLE IF NOT EXISTS wafer_devices (", "INDEX IF NOT EXISTS wafer_devices_expires ON wafer_devices (expires)", `COLLATE "C"`}},
		{sqldevices.PostgreSQL, "app.devices", []string{"TABLE IF NOT EXISTS app.devices (", "INDEX IF NOT EXISTS app_devices_expires ON app.devices (expires)"}},
		{sqldevices.SQLite, "main.devices", []string{"TABLE IF NOT EXISTS main.devices (", "INDEX IF NOT EXISTS main.main_devices_expires ON devices (expires)"}},
	} {
		s, err := sqldevices.New(db, row.dialect, sqldevices.Config{Table: row.table})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range row.want {
			if schema := s.Schema(); !strings.Contains(schema, want) {
				t.Errorf("%s: no %q in\n%s", row.table, want, schema)
			}
		}
	}
}

func TestADatabaseThatDoesNotAnswer(t *testing.T) {
	s, err := sqldevices.New(sql.OpenDB(connector{}), sqldevices.SQLite, sqldevices.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context()); err == nil {
		t.Error("the table was made")
	}
	if _, err := s.List(t.Context(), "a"); err == nil {
		t.Error("rows were read")
	}
}
