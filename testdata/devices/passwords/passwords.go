// Package passwords is the program behind docs/passwords.md, whose snippets are copies of its lines. It
// changes passwords in an application's own database, and ends the sessions of their users.
package passwords

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/wafer-sessions/wafer/revocation"
)

// Schema is what the recipe adds to the application's database.
const Schema = `
CREATE TABLE revocation_outbox (
	id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	subject    text NOT NULL CHECK (octet_length(subject) BETWEEN 1 AND 256),
	changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);`

const (
	// loginTakes is longer than a login takes, from when it reads the password's hash until its session has
	// begun, and longer than Change takes to commit. It includes how far clocks may differ.
	loginTakes = time.Minute

	// pause is how long Run waits if there is nothing to do, or if the list's store does not answer.
	pause = time.Second

	// attempt is how long one delivery may take.
	attempt = 10 * time.Second
)

// Passwords changes passwords.
type Passwords struct {
	DB   *sql.DB
	List *revocation.List

	// Leave is how long a row is left to the request that wrote it.
	Leave time.Duration
}

// Change changes a password and ends the sessions of its user: both or neither. After an error, the change
// may or may not have been made, and the sessions end if it was. If ended is false, they end when the list's
// store answers.
func (p *Passwords) Change(ctx context.Context, user, hash string) (ended bool, err error) {
	tx, err := p.DB.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, `UPDATE users SET password = $2 WHERE name = $1`, user, hash); err != nil {
		return false, err
	}
	var row int64
	if err := tx.QueryRowContext(ctx, `INSERT INTO revocation_outbox (subject) VALUES ($1) RETURNING id`, user).Scan(&row); err != nil {
		return false, err
	}
	if err := tx.Commit(); err != nil {
		return false, err
	}
	// Both are certain from here on. The rest makes it quick.
	if _, err := p.List.Revoke(ctx, revocation.Subject(user), revocation.Options{}); err != nil {
		return false, nil
	}
	p.DB.ExecContext(ctx, `DELETE FROM revocation_outbox WHERE id = $1`, row) // or the loop does it
	return true, nil
}

// Run delivers rows until ctx ends. Every replica may run it.
func (p *Passwords) Run(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := p.Deliver(ctx)
		if more {
			continue
		}
		if err != nil && ctx.Err() == nil {
			slog.Warn("a revocation waits in the outbox", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// Deliver delivers the oldest row that no other loop has. It reports whether there was one.
func (p *Passwords) Deliver(ctx context.Context) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	tx, err := p.DB.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	var id int64
	var subject string
	var age float64 // in seconds
	err = tx.QueryRowContext(ctx, `
		SELECT id, subject, extract(epoch FROM clock_timestamp() - changed_at)
		FROM revocation_outbox
		WHERE changed_at <= clock_timestamp() - make_interval(secs => $1)
		ORDER BY id LIMIT 1
		FOR UPDATE SKIP LOCKED`, p.Leave.Seconds()).Scan(&id, &subject, &age)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	o := upTo(time.Now(), time.Duration(age*float64(time.Second)))
	if _, err := p.List.Revoke(ctx, revocation.Subject(subject), o); err != nil {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM revocation_outbox WHERE id = $1`, id); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

// upTo says which sessions end: all that began until now, but none that began more than loginTakes after the
// change, which is this long ago.
func upTo(now time.Time, age time.Duration) revocation.Options {
	if age <= loginTakes {
		return revocation.Options{}
	}
	return revocation.Options{Before: now.Add(loginTakes - age)}
}

// Waiting returns what to watch: how many rows wait, and for how long the oldest has.
func (p *Passwords) Waiting(ctx context.Context) (rows int, oldest time.Duration, err error) {
	var seconds float64
	err = p.DB.QueryRowContext(ctx, `
		SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(changed_at)), 0)
		FROM revocation_outbox`).Scan(&rows, &seconds)
	return rows, time.Duration(seconds * float64(time.Second)), err
}
