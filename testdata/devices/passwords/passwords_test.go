package passwords_test

import (
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
	"github.com/wafer-sessions/wafer/testdata/devices/passwords"
	"github.com/wafer-sessions/wafer/testdata/devices/pgtest"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(`CREATE TABLE users (name text PRIMARY KEY, password text NOT NULL);` + passwords.Schema); err != nil {
		t.Fatal(err)
	}
	return db
}

// application has users with one session each.
type application struct {
	*passwords.Passwords
	sessions *httpmw.Manager[struct{}]
	tokens   map[string]string
}

func newApplication(t *testing.T, db *sql.DB, ring *keys.Ring, store revlog.Store) *application {
	t.Helper()
	list, err := revocation.Open(t.Context(), store, ring, revocation.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { list.Close() })
	sessions, err := httpmw.New[struct{}](keys.Static(ring), list, httpmw.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return &application{&passwords.Passwords{DB: db, List: list}, sessions, map[string]string{}}
}

func (a *application) issue(t *testing.T, user string) string {
	t.Helper()
	token, err := a.sessions.Issue(t.Context(), httpmw.Identity{Subject: user}, struct{}{}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (a *application) addUser(t *testing.T, user string) {
	t.Helper()
	if _, err := a.DB.Exec(`INSERT INTO users VALUES ($1, 'old')`, user); err != nil {
		t.Fatal(err)
	}
	a.tokens[user] = a.issue(t, user)
}

// changeOnly leaves everything but the transaction to the loop.
func (a *application) changeOnly(t *testing.T, user string) {
	t.Helper()
	if _, err := a.DB.Exec(`WITH changed AS (UPDATE users SET password = 'new' WHERE name = '` + user + `')
		INSERT INTO revocation_outbox (subject) VALUES ('` + user + `')`); err != nil {
		t.Fatal(err)
	}
}

func (a *application) changed(t *testing.T, user string) bool {
	t.Helper()
	var password string
	if err := a.DB.QueryRow(`SELECT password FROM users WHERE name = $1`, user).Scan(&password); err != nil {
		t.Fatal(err)
	}
	return password == "new"
}

// verify checks that either the password is as it was and the session lives, or it was changed and the session
// ends, and that no row is left.
func (a *application) verify(t *testing.T, user string) {
	t.Helper()
	if n, _, err := a.Waiting(t.Context()); err != nil || n != 0 {
		t.Errorf("%s: %d rows left, %v", user, n, err)
	}
	if !a.changed(t, user) {
		if _, ok, err := a.List.Revoked(t.Context(), revocation.Subject(user)); ok || err != nil {
			t.Errorf("%s: revoked, and the password was not changed, %v", user, err)
		}
		if _, err := a.sessions.Check(t.Context(), a.tokens[user]); err != nil {
			t.Errorf("%s: the password was not changed, and its session: %v", user, err)
		}
		return
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		_, err := a.sessions.Check(t.Context(), a.tokens[user])
		if errors.Is(err, httpmw.ErrRevoked) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: the password was changed, and the session from before it: %v", user, err)
		}
	}
	if _, err := a.sessions.Check(t.Context(), a.issue(t, user)); err != nil {
		t.Errorf("%s: the next login: %v", user, err)
	}
}

func TestDelivery(t *testing.T) {
	db := open(t, pgtest.Start(t))
	t.Run("store down", func(t *testing.T) { storeDown(t, db) })
	t.Run("loops", func(t *testing.T) { loops(t, db) })
	t.Run("late", func(t *testing.T) { late(t, db) })
}

// storeDown changes a password while the store of the list is down. The row waits for it.
func storeDown(t *testing.T, db *sql.DB) {
	store, ring := revlogtest.NewFaulty(revlog.NewMemory()), keys.Generate(0)
	a, other := newApplication(t, db, ring, store), newApplication(t, db, ring, store)
	a.addUser(t, "zoe")
	store.Fail()
	if ended, err := a.Change(t.Context(), "zoe", "new"); ended || err != nil {
		t.Errorf("ended %v, %v", ended, err)
	}
	if _, err := a.sessions.Check(t.Context(), a.tokens["zoe"]); !errors.Is(err, httpmw.ErrRevoked) {
		t.Errorf("at this replica: %v", err)
	}
	if _, err := a.sessions.Issue(t.Context(), httpmw.Identity{Subject: "zoe"}, struct{}{}, 0); !errors.Is(err, httpmw.ErrUnavailable) {
		t.Errorf("a login at this replica: %v", err)
	}
	if _, err := other.sessions.Check(t.Context(), a.tokens["zoe"]); err != nil {
		t.Errorf("at another replica: %v", err)
	}
	meanwhile := other.issue(t, "zoe")
	if found, err := a.Deliver(t.Context()); found || !errors.Is(err, revocation.ErrUnavailable) {
		t.Errorf("delivered %v, %v", found, err)
	}
	if n, oldest, err := a.Waiting(t.Context()); n != 1 || oldest <= 0 || err != nil {
		t.Errorf("%d rows wait, the oldest for %v, %v", n, oldest, err)
	}
	store.Recover()
	if err := deliverAll(t.Context(), a.Passwords); err != nil {
		t.Fatal(err)
	}
	a.verify(t, "zoe")
	if _, err := a.sessions.Check(t.Context(), meanwhile); !errors.Is(err, httpmw.ErrRevoked) {
		t.Errorf("a login from when the store was down: %v", err)
	}
}

// loops delivers with several loops. A row is left to the request that wrote it for a while.
func loops(t *testing.T, db *sql.DB) {
	a := newApplication(t, db, keys.Generate(0), revlog.NewMemory())
	users := strings.Fields("ada ben cleo dan eve fay gus hal ida joe")
	for _, user := range users {
		a.addUser(t, user)
		a.changeOnly(t, user)
	}
	patient := *a.Passwords
	patient.Leave = time.Hour
	if found, err := patient.Deliver(t.Context()); found || err != nil {
		t.Errorf("took a row that is left to its request: %v, %v", found, err)
	}
	var loops sync.WaitGroup
	for range 4 {
		loops.Go(func() {
			if err := deliverAll(t.Context(), a.Passwords); err != nil {
				t.Error(err)
			}
		})
	}
	loops.Wait()
	for _, user := range users {
		a.verify(t, user)
	}
	if _, err := db.Exec(`INSERT INTO revocation_outbox (subject) VALUES ('')`); err == nil {
		t.Error("a row that the list refuses for ever")
	}
}

// late delivers rows some time after the change. The session of a login that may have read the old password ends,
// and that of a login some minutes later does not.
func late(t *testing.T, db *sql.DB) {
	for age, ends := range map[time.Duration]bool{5 * time.Second: true, 50 * time.Second: true, 10 * time.Minute: false} {
		a := newApplication(t, db, keys.Generate(0), revlog.NewMemory())
		token := a.issue(t, "ada")
		if _, err := db.Exec(`INSERT INTO revocation_outbox (subject, changed_at) VALUES ('ada', clock_timestamp() - make_interval(secs => $1))`, age.Seconds()); err != nil {
			t.Fatal(err)
		}
		if err := deliverAll(t.Context(), a.Passwords); err != nil {
			t.Fatal(err)
		}
		if _, err := a.sessions.Check(t.Context(), token); errors.Is(err, httpmw.ErrRevoked) != ends {
			t.Errorf("a session that began %v after the change: %v", age, err)
		}
	}
}

func TestPageShowsTheSchema(t *testing.T) {
	page, err := os.ReadFile("../../../docs/passwords.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```sql"+passwords.Schema+"\n```") {
		t.Error("docs/passwords.md shows another table")
	}
}
