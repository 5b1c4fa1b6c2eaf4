package passwords_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/testdata/devices/passwords"
	"github.com/wafer-sessions/wafer/testdata/devices/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv("PASSWORDS_CHILD") != "" {
		if err := child(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// killer kills this process at one of the moments before and after each statement and each write to the list.
type killer struct{ left atomic.Int64 }

func (k *killer) moment() {
	if k.left.Add(-1) == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (k *killer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	k.moment()
	return ctx
}

func (k *killer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) { k.moment() }

// killingStore has a moment before and after each revocation.
type killingStore struct {
	revlog.Store
	killer *killer
}

func (s killingStore) Write(ctx context.Context, w revlog.Write) (revlog.Written, error) {
	if len(w.Asserts()) == 0 {
		return s.Store.Write(ctx, w)
	}
	s.killer.moment()
	defer s.killer.moment()
	return s.Store.Write(ctx, w)
}

// child is a process of the application. It does one thing, in which it may be killed.
func child(ctx context.Context) error {
	var k killer
	var moment int64
	if _, err := fmt.Sscan(os.Getenv("PASSWORDS_MOMENT"), &moment); err != nil {
		return err
	}
	ring, err := keys.OpenFile(ctx, os.Getenv("PASSWORDS_RING"), keys.InsecurePlaintext(), keys.FileConfig{})
	if err != nil {
		return err
	}
	store, err := redisstore.Open(ctx, &redis.UniversalOptions{Addrs: []string{os.Getenv("PASSWORDS_REDIS")}}, redisstore.Config{AllowVolatile: true})
	if err != nil {
		return err
	}
	list, err := revocation.Open(ctx, killingStore{store, &k}, ring.Ring(), revocation.Config{Observer: true})
	if err != nil {
		return err
	}
	config, err := pgx.ParseConfig(os.Getenv("PASSWORDS_DB"))
	if err != nil {
		return err
	}
	config.Tracer = &k
	config.RuntimeParams["application_name"] = "child"
	db := stdlib.OpenDB(*config)
	p := &passwords.Passwords{DB: db, List: list}
	k.left.Store(moment)
	switch what, user, _ := strings.Cut(os.Getenv("PASSWORDS_CHILD"), " "); what {
	case "change":
		_, err := p.Change(ctx, user, "new")
		return err
	case "deliver":
		return deliverAll(ctx, p)
	case "storm":
		return storm(ctx, p)
	default:
		return errors.New("what?")
	}
}

func deliverAll(ctx context.Context, p *passwords.Passwords) error {
	for {
		if found, err := p.Deliver(ctx); err != nil || !found {
			return err
		}
	}
}

// storm changes the passwords of all users who have the old one, while two loops deliver.
func storm(ctx context.Context, p *passwords.Passwords) error {
	rows, err := p.DB.QueryContext(ctx, `SELECT name FROM users WHERE password = 'old' ORDER BY random()`)
	if err != nil {
		return err
	}
	users := make(chan string, 10_000)
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		users <- name
	}
	close(users)
	go p.Run(ctx)
	go p.Run(ctx)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for name := range users {
				p.Change(ctx, name, "new")
			}
		})
	}
	all.Wait()
	return rows.Err()
}

// setup is a database and a list, with the process of the application that is not killed.
type setup struct {
	*application
	env []string
}

func newSetup(t *testing.T) *setup {
	t.Helper()
	dsn, server, ring := pgtest.Start(t), redistest.Start(t), keys.Generate(0)
	file := filepath.Join(t.TempDir(), "ring")
	if err := keys.CreateFile(t.Context(), file, keys.InsecurePlaintext(), ring); err != nil {
		t.Fatal(err)
	}
	store, err := redisstore.Open(t.Context(), &redis.UniversalOptions{Addrs: []string{server.Addr}}, redisstore.Config{AllowVolatile: true, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &setup{newApplication(t, open(t, dsn), ring, store), append(os.Environ(),
		"PASSWORDS_DB="+dsn, "PASSWORDS_REDIS="+server.Addr, "PASSWORDS_RING="+file)}
}

func (s *setup) child(what string, moment int) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(s.env, "PASSWORDS_CHILD="+what, fmt.Sprintf("PASSWORDS_MOMENT=%d", moment))
	return c
}

// gone waits until the database has noticed that the child is gone. Until then a transaction may be under way.
func (s *setup) gone(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		var n int
		if err := s.DB.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE application_name = 'child'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections of the child are left", n)
		}
	}
}

// killedAt runs a child that is killed at a moment, and reports whether it came so far.
func (s *setup) killedAt(t *testing.T, what string, moment int) bool {
	t.Helper()
	output, err := s.child(what, moment).CombinedOutput()
	s.gone(t)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return true
	}
	t.Fatalf("%s, moment %d: %v\n%s", what, moment, err, output)
	return false
}

func TestKilled(t *testing.T) {
	s := newSetup(t)
	t.Run("between statements", func(t *testing.T) { betweenStatements(t, s) })
	t.Run("at any time", func(t *testing.T) { atAnyTime(t, s) })
}

// betweenStatements kills a process that changes a password, or delivers a row, before and after each statement and
// each write to the list.
func betweenStatements(t *testing.T, s *setup) {
	for what, least := range map[string]int{"change": 12, "deliver": 10} {
		t.Run(what, func(t *testing.T) {
			for moment := 1; ; moment++ {
				user := fmt.Sprintf("%s-%d", what, moment)
				s.addUser(t, user)
				if what == "deliver" {
					s.changeOnly(t, user)
				}
				killed := s.killedAt(t, what+" "+user, moment)
				if err := deliverAll(t.Context(), s.Passwords); err != nil { // the process that is started again
					t.Fatal(err)
				}
				s.verify(t, user)
				if s.changed(t, user) != (what == "deliver" || !killed || moment > 7) {
					t.Errorf("%s killed at moment %d: changed is %v", what, moment, s.changed(t, user))
				}
				if !killed {
					if moment <= least {
						t.Errorf("%s has only %d moments", what, moment-1)
					}
					return
				}
			}
		})
	}
}

// atAnyTime kills a process that changes many passwords and delivers with two loops.
func atAnyTime(t *testing.T, s *setup) {
	changed := 0
	for round := range 5 {
		var users []string
		for i := range 100 {
			users = append(users, fmt.Sprintf("storm-%d-%d", round, i))
			s.addUser(t, users[i])
		}
		c := s.child("storm", 0)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		s.awaitChange(t, fmt.Sprintf("storm-%d-%%", round))
		time.Sleep(rand.N(100 * time.Millisecond))
		c.Process.Kill()
		c.Wait()
		s.gone(t)
		if err := deliverAll(t.Context(), s.Passwords); err != nil {
			t.Fatal(err)
		}
		for _, user := range users {
			s.verify(t, user)
			if s.changed(t, user) {
				changed++
			}
		}
	}
	t.Logf("%d of 500 passwords were changed", changed)
}

// awaitChange waits until the first of some users has a new password.
func (s *setup) awaitChange(t *testing.T, users string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		var n int
		if err := s.DB.QueryRow(`SELECT count(*) FROM users WHERE password = 'new' AND name LIKE $1`, users).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the child changes no password")
		}
	}
}
