package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

var _ revlog.Registrar = (*Store)(nil)

// A wireReplica is a replica as Redis holds it.
type wireReplica struct {
	ID       string            `json:"id"`
	Host     string            `json:"host"`
	Version  string            `json:"version"`
	State    string            `json:"state"`
	AgeMS    int64             `json:"age_ms"`
	WindowMS int64             `json:"window_ms"`
	List     []byte            `json:"list,omitempty"`
	Position string            `json:"position"`
	Keys     []wireKeyUse      `json:"keys,omitempty"`
	SignedIn *wireSignedIn     `json:"signed_in,omitempty"`
	Report   map[string]string `json:"report,omitempty"`
}

// A wireKeyUse is a revlog.KeyUse in Redis.
type wireKeyUse struct {
	ID      string `json:"kid"`
	Revoked bool   `json:"revoked,omitempty"`
	Seals   uint64 `json:"seals,omitempty"`
	Sealed  int64  `json:"sealed,omitempty"` // Unix seconds
	Opened  int64  `json:"opened,omitempty"` // Unix seconds
}

// A wireSignedIn is a revlog.SignedIn in Redis.
type wireSignedIn struct {
	Sessions       int64 `json:"sessions"`
	Subjects       int64 `json:"subjects"`
	WindowMS       int64 `json:"window_ms"`
	ActiveSessions int64 `json:"active_sessions"`
	ActiveSubjects int64 `json:"active_subjects"`
	At             int64 `json:"at"` // Unix seconds
}

// Register implements [revlog.Registrar].
func (s *Store) Register(ctx context.Context, r revlog.Replica, keep time.Duration) error {
	if r.ID == "" || len(r.ID) > 64 || keep < time.Millisecond {
		return errors.New("redisstore: Register: the ID must have 1 to 64 bytes, and keep must be at least one millisecond")
	}
	doc, err := json.Marshal(wireReplica{
		r.ID, r.Host, r.Version, r.State, r.Age.Milliseconds(), r.Window.Milliseconds(), r.List[:], r.Position, keyUses(r.Keys), signedIn(r.SignedIn), r.Report,
	})
	if err != nil {
		return err
	}
	keys := []string{s.prefix + "replicas", s.prefix + "r:" + r.ID}
	return s.mapped(s.scripts.register.Run(ctx, s.client, keys, r.ID, doc, keep.Milliseconds()).Err())
}

// Replicas implements [revlog.Registrar].
func (s *Store) Replicas(ctx context.Context) (out []revlog.Replica, _ error) {
	all, err := s.scripts.replicas.Run(ctx, s.client, []string{s.prefix + "replicas", s.prefix + "r:"}).StringSlice()
	if err != nil {
		return nil, s.mapped(err)
	}
	for _, text := range all {
		if r, ok := replica(text); ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// CallRoll implements [revlog.Registrar].
func (s *Store) CallRoll(ctx context.Context, list revlog.ListID) error {
	_, err := s.run(ctx, s.scripts.roll, list[:])
	return err
}

// replica reads one replica: the time when the store received it, ms, and JSON. Other text means
// that it expired between two commands, or that a later version wrote it.
func replica(text string) (revlog.Replica, bool) {
	seen, doc, _ := strings.Cut(text, " ")
	ms, err := strconv.ParseInt(seen, 10, 64)
	var r wireReplica
	if err != nil || json.Unmarshal([]byte(doc), &r) != nil {
		return revlog.Replica{}, false
	}
	var d decoder
	age, window := d.ms(r.AgeMS), d.ms(r.WindowMS)
	in := r.SignedIn.read(&d)
	if d.int(ms); d.err != nil {
		return revlog.Replica{}, false
	}
	var uses []revlog.KeyUse
	for _, k := range r.Keys {
		uses = append(uses, revlog.KeyUse{ID: k.ID, Revoked: k.Revoked, Seals: k.Seals, Sealed: moment(k.Sealed), Opened: moment(k.Opened)})
	}
	var list revlog.ListID
	copy(list[:], r.List)
	return revlog.Replica{
		ID: r.ID, Host: r.Host, Version: r.Version, State: r.State,
		Age: age, Window: window,
		List: list, Position: r.Position, Keys: uses, SignedIn: in, Report: r.Report, Seen: time.UnixMilli(ms),
	}, true
}

func signedIn(s revlog.SignedIn) *wireSignedIn {
	if s.At.IsZero() {
		return nil
	}
	return &wireSignedIn{s.Sessions, s.Subjects, s.Window.Milliseconds(), s.ActiveSessions, s.ActiveSubjects, unix(s.At)}
}

func (w *wireSignedIn) read(d *decoder) revlog.SignedIn {
	if w == nil {
		return revlog.SignedIn{}
	}
	return revlog.SignedIn{
		Sessions: d.int(w.Sessions), Subjects: d.int(w.Subjects), Window: d.ms(w.WindowMS),
		ActiveSessions: d.int(w.ActiveSessions), ActiveSubjects: d.int(w.ActiveSubjects), At: moment(w.At),
	}
}

func keyUses(all []revlog.KeyUse) (out []wireKeyUse) {
	for _, k := range all {
		out = append(out, wireKeyUse{k.ID, k.Revoked, k.Seals, unix(k.Sealed), unix(k.Opened)})
	}
	return out
}

// unix returns t in Unix seconds, 0 for the zero time; moment is the way back.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func moment(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}
