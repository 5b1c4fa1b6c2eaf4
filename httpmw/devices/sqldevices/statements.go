package sqldevices

import (
	"strconv"
	"strings"
)

// statements are what a Store says to the database, with the name of its table.
type statements struct{ expire, name, put, delete, excess, list, sweep string }

func newStatements(d Dialect, table string) statements {
	write := func(text string) string {
		text = strings.ReplaceAll(text, "TABLE", table)
		if d == PostgreSQL {
			text = numbered(text)
		}
		return text
	}
	return statements{
		expire: write(`DELETE FROM TABLE WHERE owner = ? AND expires <= ?`),
		name:   write(`SELECT name FROM TABLE WHERE owner = ? AND session IN (?, ?) AND name <> '' LIMIT 1`),
		put: write(`INSERT INTO TABLE AS t (owner, session, name, agent, login, began, seen, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (owner, session) DO UPDATE SET
	name = excluded.name, agent = excluded.agent, login = excluded.login, began = excluded.began,
	seen = CASE WHEN excluded.seen > t.seen THEN excluded.seen ELSE t.seen END,
	expires = CASE WHEN excluded.expires > t.expires THEN excluded.expires ELSE t.expires END`),
		delete: write(`DELETE FROM TABLE WHERE owner = ? AND session = ?`),
		// SQLite has no OFFSET without a LIMIT.
		excess: write(`SELECT session FROM TABLE WHERE owner = ? AND session <> ? ORDER BY began DESC, login DESC, session DESC LIMIT 1000000 OFFSET ?`),
		list:   write(`SELECT session, name, agent, login, began, seen, expires FROM TABLE WHERE owner = ?`),
		sweep:  write(`DELETE FROM TABLE WHERE (owner, session) IN (SELECT owner, session FROM TABLE WHERE expires <= ? LIMIT 1000)`),
	}
}

// numbered replaces each ? by $1, $2 and so on.
func numbered(text string) string {
	var b strings.Builder
	n := 0
	for _, c := range text {
		if c != '?' {
			b.WriteRune(c)
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}
