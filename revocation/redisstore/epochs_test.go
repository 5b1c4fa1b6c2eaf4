package redisstore_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// However many sessions there are, they stay in small hashes. Epochs close, and Confirm finds
// sessions in every epoch.
func TestEpochs(t *testing.T) {
	s, st := volatile(t)
	h := create(t, st, time.Hour)
	const each, rounds = 5000, 4
	for round := range rounds {
		for at := 0; at < each; at += 1000 {
			var b revlog.Append
			b.Floor = h.MS + int64(round)*time.Hour.Milliseconds()/8 // R3: an eighth of the retention later
			for n := range 1000 {
				b.Assertions = append(b.Assertions, session(round*each+at+n))
			}
			if round == 1 {
				write(t, st, revlog.Bulk{Floor: b.Floor, Assertions: b.Assertions})
			} else {
				write(t, st, b)
			}
		}
	}
	for n := 0; n < each*rounds; n += 997 {
		a, err := st.Confirm(t.Context(), revlog.Question{List: list, Session: tagOf(n)})
		if err != nil || len(a.Found) == 0 {
			t.Fatalf("session %d: %+v, %v", n, a, err)
		}
	}
	if a, err := st.Confirm(t.Context(), revlog.Question{List: list, Session: tagOf(each * rounds)}); err != nil || len(a.Found) > 0 {
		t.Errorf("a session that was not revoked: %+v, %v", a, err)
	}
	epochs := map[string]bool{}
	for key := range strings.SplitSeq(s.Do("KEYS", "{wafer}:x:*"), "\n") {
		epochs[strings.Split(key, ":")[2]] = true
		if n := must(strconv.Atoi(s.Do("HLEN", key))); n > 160 {
			t.Errorf("%s holds %d sessions", key, n)
		}
		if enc := s.Do("OBJECT", "ENCODING", key); enc != "listpack" {
			t.Errorf("%s is a %s", key, enc)
		}
		if ttl := must(strconv.Atoi(s.Do("PTTL", key))); ttl < int(2*time.Hour.Milliseconds())-60_000 {
			t.Errorf("%s expires in %d ms", key, ttl)
		}
	}
	if len(epochs) < rounds {
		t.Errorf("%d epochs", len(epochs))
	}
	// Much later, the list of epochs is short again.
	b := revlog.Append{Floor: h.MS + 5*time.Hour.Milliseconds(), Assertions: []revlog.Assertion{session(1 << 20)}}
	write(t, st, b)
	if n := len(s.Do("HGET", "{wafer}:head", "x")); n > 0 {
		t.Errorf("%d bytes of expired epochs", n)
	}
	p, err := st.Read(t.Context(), revlog.Cursor{List: list, From: revlog.Position{}, Limit: 10})
	if err != nil || p.Oldest.N == 1 {
		t.Errorf("the log was not trimmed: it begins at %v (%v)", p.Oldest, err)
	}
}

// A write of a global entry drops expired ones.
func TestGlobalEntriesArePruned(t *testing.T) {
	s, st := volatile(t)
	h := create(t, st, time.Minute)
	key := func(n int) revlog.Assertion {
		return revlog.Assertion{Scope: revlog.ScopeKey, Tag: tagOf(n), W: revlog.Forever, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Limit: revlog.Forever}
	}
	write(t, st, revlog.Append{Assertions: []revlog.Assertion{key(1)}})
	write(t, st, revlog.Append{Floor: h.MS + 3*time.Hour.Milliseconds(), Assertions: []revlog.Assertion{key(2)}})
	if n := s.Do("HLEN", "{wafer}:globals"); n != "2" { // and the field v, which keeps the key
		t.Errorf("%s fields", n)
	}
}
