package audit

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

// A Record is one line of the audit log. The comments name its members in JSON. The zero value of a
// field means that the line lacks the member, except for actor and reason.
type Record struct {
	Time   time.Time // time: when the record was written
	Action string    // action
	By               // actor, claimed_actor, via, address, reason

	// Target of a revocation.
	Target Target // target
	// Effect is what happens to the sessions: "require_login" or "reload". Empty: they end.
	Effect string // effect
	// Over: the sessions end one after another until so much time has passed. Zero: at once.
	Over time.Duration // over, such as 1h0m0s
	// Since: it is about sessions that began at or before it, in log time. Zero: a session or a key
	// that ends, whenever it began, or not known.
	Since time.Time // since
	// Quiet: the revocation went past the log, so no entry shows it.
	Quiet bool // quiet
	// Changed: the list changed. If not, the target was revoked already.
	Changed bool // changed; only with a position
	// Count is how many targets a RevokeMany had.
	Count int // count

	// List, Position, Head and Chain say where in which list. They are missing if the store did not
	// acknowledge the revocation. A Reset has only List, unless the list was too damaged to read it.
	List     string // list: 32 hexadecimal digits
	Position string // position: of the entry; without one, of the newest entry
	Head     string // head: position of the newest entry after the write
	Chain    string // chain: of that entry, 16 hexadecimal digits

	Ring Change // ring: what changed in a key ring

	Call Call // call: what the admin API refused

	// Error says why a change failed, at least in part.
	Error string // error
}

// A Target is what a revocation names.
type Target struct {
	Scope string `json:"scope"` // session, subject, group, key or everyone
	Tag   string `json:"tag"`   // what stands for the id in the list, 32 hexadecimal digits
}

// A Change is a change of a key ring.
type Change struct {
	What       string   `json:"what,omitempty"`        // what was asked for, such as "rotate"; empty: not known
	ID         string   `json:"id,omitempty"`          // of the ring
	KID        string   `json:"kid,omitempty"`         // of the key that was asked about
	Added      []string `json:"added,omitempty"`       // ids of keys
	Removed    []string `json:"removed,omitempty"`     // ids of keys
	Revoked    []string `json:"revoked,omitempty"`     // ids of keys
	MaxSession int64    `json:"max_session,omitempty"` // the new longest session, in seconds
	Options    string   `json:"options,omitempty"`     // how it was asked for, such as "immediate"
}

// A Call is a request that the admin API refused.
type Call struct {
	Code     string `json:"code"`               // of the problem document
	Method   string `json:"method"`             // of the request
	Path     string `json:"path,omitempty"`     // if the API has it
	Unlogged int    `json:"unlogged,omitempty"` // refusals before this one that got no record, because there were too many
}

// attrs returns the members of r in the order of the document.
func (r Record) attrs() []slog.Attr {
	a := make([]slog.Attr, 0, 16)
	text := func(name, value string) {
		if value != "" {
			a = append(a, slog.String(name, value))
		}
	}
	a = append(a, slog.String("action", r.Action), slog.String("actor", r.Actor), slog.String("reason", r.Reason))
	text("claimed_actor", r.Claimed)
	text("via", r.Via)
	text("address", r.Address)
	if r.Target != (Target{}) {
		a = append(a, slog.Group("target", slog.String("scope", r.Target.Scope), slog.String("tag", r.Target.Tag)))
	}
	text("effect", r.Effect)
	if r.Over != 0 {
		a = append(a, slog.String("over", r.Over.String()))
	}
	if !r.Since.IsZero() {
		a = append(a, slog.String("since", r.Since.UTC().Format(sinceForm)))
	}
	if r.Quiet {
		a = append(a, slog.Bool("quiet", true))
	}
	if r.Count > 0 {
		a = append(a, slog.Int("count", r.Count))
	}
	text("list", r.List)
	text("position", r.Position)
	text("head", r.Head)
	text("chain", r.Chain)
	if r.Position != "" {
		a = append(a, slog.Bool("changed", r.Changed))
	}
	if ring := r.Ring.attrs(); len(ring) > 0 {
		a = append(a, slog.Attr{Key: "ring", Value: slog.GroupValue(ring...)})
	}
	if r.Call != (Call{}) {
		a = append(a, slog.Attr{Key: "call", Value: slog.GroupValue(r.Call.attrs()...)})
	}
	text("error", r.Error)
	return a
}

// sinceForm is RFC 3339 with milliseconds, which is what log time has.
const sinceForm = "2006-01-02T15:04:05.000Z07:00"

func (c Change) attrs() (a []slog.Attr) {
	for _, m := range []struct{ name, value string }{{"what", c.What}, {"id", c.ID}, {"kid", c.KID}} {
		if m.value != "" {
			a = append(a, slog.String(m.name, m.value))
		}
	}
	for _, m := range []struct {
		name string
		kids []string
	}{{"added", c.Added}, {"removed", c.Removed}, {"revoked", c.Revoked}} {
		if len(m.kids) > 0 {
			a = append(a, slog.Any(m.name, m.kids))
		}
	}
	if c.MaxSession > 0 {
		a = append(a, slog.Int64("max_session", c.MaxSession))
	}
	if c.Options != "" {
		a = append(a, slog.String("options", c.Options))
	}
	return a
}

// Empty reports whether c says of no key that it changed.
func (c Change) Empty() bool {
	return len(c.Added)+len(c.Removed)+len(c.Revoked) == 0 && c.MaxSession == 0
}

func (c Call) attrs() []slog.Attr {
	a := []slog.Attr{slog.String("code", c.Code), slog.String("method", c.Method)}
	if c.Path != "" {
		a = append(a, slog.String("path", c.Path))
	}
	if c.Unlogged > 0 {
		a = append(a, slog.Int("unlogged", c.Unlogged))
	}
	return a
}

// MaxLine is how long a line may be that Parse reads, in bytes. Records are shorter.
const MaxLine = 64 << 10

// ErrOther: the line is JSON, but not a record.
var ErrOther = errors.New("audit: not an audit record")

// wire is a record as JSON has it.
type wire struct {
	Time     time.Time `json:"time"`
	Message  string    `json:"msg"`
	Action   string    `json:"action"`
	Actor    string    `json:"actor"`
	Reason   string    `json:"reason"`
	Claimed  string    `json:"claimed_actor"`
	Via      string    `json:"via"`
	Address  string    `json:"address"`
	Target   Target    `json:"target"`
	Effect   string    `json:"effect"`
	Over     string    `json:"over"`
	Since    string    `json:"since"`
	Quiet    bool      `json:"quiet"`
	Count    int       `json:"count"`
	List     string    `json:"list"`
	Position string    `json:"position"`
	Head     string    `json:"head"`
	Chain    string    `json:"chain"`
	Changed  bool      `json:"changed"`
	Ring     Change    `json:"ring"`
	Call     Call      `json:"call"`
	Error    string    `json:"error"`
}

// Parse reads a line that [slog.JSONHandler] wrote. Other members, such as those of a handler's own
// attributes, are ignored. A line that is JSON but not a record is [ErrOther].
func Parse(line []byte) (Record, error) {
	if len(line) > MaxLine {
		return Record{}, fmt.Errorf("audit: the line is longer than %d bytes", MaxLine)
	}
	var kind struct {
		Message any `json:"msg"`
	}
	if trimmed := bytes.TrimSpace(line); len(trimmed) == 0 || trimmed[0] != '{' || json.Unmarshal(trimmed, &kind) != nil {
		return Record{}, errors.New("audit: the line is not a JSON object")
	}
	if kind.Message != Message {
		return Record{}, ErrOther
	}
	var w wire
	if err := json.Unmarshal(line, &w); err != nil {
		return Record{}, errors.New("audit: a member of the record has the wrong type")
	}
	r := Record{
		Time: w.Time, Action: w.Action, By: By{w.Actor, w.Claimed, w.Address, w.Reason, w.Via}, Target: w.Target, Effect: w.Effect,
		Quiet: w.Quiet, Changed: w.Changed, Count: w.Count, List: w.List, Position: w.Position, Head: w.Head, Chain: w.Chain,
		Ring: w.Ring, Call: w.Call, Error: w.Error,
	}
	if w.Over != "" {
		var err error
		if r.Over, err = time.ParseDuration(w.Over); err != nil || r.Over <= 0 || r.Over.String() != w.Over {
			return Record{}, errors.New("audit: over is not a duration such as 1h0m0s")
		}
	}
	if w.Since != "" {
		var err error
		if r.Since, err = time.Parse(time.RFC3339Nano, w.Since); err != nil {
			return Record{}, errors.New("audit: since is not a time")
		}
	}
	return r, r.check()
}

// check returns an error unless the members that a check of the log needs are well formed.
func (r Record) check() error {
	if r.Time.IsZero() || r.Action == "" {
		return errors.New("audit: the record has no time or no action")
	}
	for _, m := range []struct {
		name, value string
		ok          func(string) bool
	}{
		{"tag", r.Target.Tag, isHex(16)}, {"list", r.List, isHex(16)}, {"chain", r.Chain, isHex(8)},
		{"position", r.Position, isPosition}, {"head", r.Head, isPosition},
	} {
		if m.value != "" && !m.ok(m.value) {
			return fmt.Errorf("audit: %s is malformed", m.name)
		}
	}
	if r.Action == Revoke && (r.Target.Scope == "" || r.Target.Tag == "") {
		return errors.New("audit: a revocation has no target")
	}
	listOnly := r.Action == Reset && r.Position == ""
	if has := r.Position != ""; has != (r.List != "") && !listOnly || has != (r.Head != "") || has != (r.Chain != "") {
		return errors.New("audit: the record has some of list, position, head and chain, and lacks others")
	}
	return nil
}

func isHex(n int) func(string) bool {
	return func(s string) bool {
		b, err := hex.DecodeString(s)
		return err == nil && len(b) == n && s == strings.ToLower(s)
	}
}

func isPosition(s string) bool {
	_, _, ok := Place(s)
	return ok
}

// Place reads a position, "<ms>-<n>".
func Place(position string) (ms, n int64, ok bool) {
	a, b, found := strings.Cut(position, "-")
	ms, ok = number(a)
	n, also := number(b)
	return ms, n, found && ok && also
}

// number reads a number that has one spelling.
func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}
