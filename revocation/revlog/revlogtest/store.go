// Package revlogtest helps to test stores of the list, and programs that use one.
//
// [TestStore] is the test kit that every [revlog.Store] must pass. [Faulty] is a store that
// fails when a test says so. [Secrets] stands for a key ring.
package revlogtest

import (
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	skew   = 2 * time.Second
	retain = 3 * time.Hour
)

// TestStore runs the kit. It calls open once for each test. open returns a store that has no list,
// and registers its own cleanup.
func TestStore(t *testing.T, open func(t *testing.T) revlog.Store) {
	for _, tt := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"a store has no list before Create (R1)", (*suite).noList},
		{"a second Create changes nothing (R2)", (*suite).createOnce},
		{"a call for another list is refused and writes nothing (R1)", (*suite).otherList},
		{"positions are contiguous and never run backwards (R3)", (*suite).order},
		{"log time reaches the highest time of a writer (R3)", (*suite).floor},
		{"many entries cost no log time (R3)", (*suite).burst},
		{"a watermark reaches every login before it (R3)", (*suite).afterALogin},
		{"log time ahead of the clock runs slower (R3)", (*suite).slower},
		{"an answer falls between the revocations before and after it (R30)", (*suite).moment},
		{"until is counted from now, never from W (R4)", (*suite).until},
		{"before may not lie in the future (R5)", (*suite).future},
		{"W is the maximum, whatever the order (R5)", (*suite).maximum},
		{"a repeated write changes nothing (R6)", (*suite).repeated},
		{"a quiet revocation that is appended makes a log entry (R6)", (*suite).quiet},
		{"a read returns pages from a position on, inclusive (R9)", (*suite).pages},
		{"a read need not name the list", (*suite).nameless},
		{"a read can return all global entries (R15)", (*suite).globals},
		{"Confirm answers each scope separately (R17)", (*suite).confirm},
		{"Unless stops the whole write (R22)", (*suite).unless},
		{"Then sees what the write wrote (R22)", (*suite).then},
		{"a write that is sent twice is carried out once (R29)", (*suite).again},
		{"the entry with the highest W comes back as it was signed (R32)", (*suite).proofs},
		{"a watermark beyond its limit is refused (R32)", (*suite).limit},
		{"an entry with a wrong proof is replaced (R32)", (*suite).over},
		{"entries of later versions are kept whole (R32)", (*suite).later},
		{"a repair only raises the values of the head", (*suite).raise},
		{"one holder has the turn at a time (R26)", (*suite).turn},
		{"a page tells the clock of the store (R33)", (*suite).clock},
		{"a canary comes back as it was signed (R33)", (*suite).canary},
		{"a call of the roll reaches every reader (R34)", (*suite).roll},
		{"entries with other effects stand beside each other (R36)", (*suite).beside},
		{"a quiet entry with another effect stays quiet (R36)", (*suite).besideQuietly},
		{"what is asked of a session has a ms to itself (R36)", (*suite).alone},
		{"a session of which something is asked is succeeded only by a login (R36)", (*suite).succeedsOnlyByLogin},
		{"what ends sessions slowly stays until they have ended (R37)", (*suite).slowly},
		{"many writers at once", (*suite).concurrent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &suite{Store: open(t), list: revlog.ListID{1}}
			tt.run(s, t)
		})
	}
}

type suite struct {
	revlog.Store
	list revlog.ListID
}

func (s *suite) options() revlog.CreateOptions {
	return revlog.CreateOptions{ID: s.list, Check: [16]byte{2}, Retain: retain}
}

func (s *suite) create(t *testing.T) revlog.Head {
	t.Helper()
	h, err := s.Create(t.Context(), s.options())
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return h
}

func tag(n byte) revlog.Tag { return revlog.Tag{15: n} }

// revoke returns an assertion about tag n with the given W.
func revoke(scope revlog.Scope, n byte, w int64) revlog.Assertion {
	return revlog.Assertion{
		Scope: scope, Tag: tag(n), W: w, Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Limit: revlog.Forever, MAC: [8]byte{n, 1},
	}
}

func session(n byte) revlog.Assertion {
	return revoke(revlog.ScopeSession, n, revlog.Forever)
}

func now(scope revlog.Scope, n byte) revlog.Assertion {
	a := revoke(scope, n, 0)
	a.When = revlog.AtNow
	return a
}

func (s *suite) write(t *testing.T, as ...revlog.Assertion) revlog.Written {
	t.Helper()
	w, err := s.Write(t.Context(), revlog.Append{List: s.list, Skew: skew, Assertions: as})
	if err != nil || len(w.Results) != len(as) {
		t.Fatalf("Write = %+v, %v", w, err)
	}
	return w
}

func (s *suite) read(t *testing.T, c revlog.Cursor) revlog.Page {
	t.Helper()
	c.List = s.list
	if c.Limit == 0 {
		c.Limit = 1000
	}
	p, err := s.Read(t.Context(), c)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return p
}
