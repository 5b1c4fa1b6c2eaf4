package replica_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/replica"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/revocation/revlog/revlogtest"
)

// A bent store changes the pages that it returns.
type bent struct {
	revlog.Store
	bend   func(*revlog.Page)
	global revlog.Entry // in addition to the real ones
}

func (b bent) Read(ctx context.Context, c revlog.Cursor) (revlog.Page, error) {
	p, err := b.Store.Read(ctx, c)
	p.Entries = slices.Clone(p.Entries)
	if c.Globals && b.global.Version != 0 {
		p.Globals = append(p.Globals, b.global)
	}
	if c.List != (revlog.ListID{}) && err == nil {
		b.bend(&p)
	}
	return p, err
}

func TestInspect(t *testing.T) {
	store := revlog.NewMemory()
	whole := func(revlog.Head) int64 { return 0 }
	if _, err := replica.Inspect(t.Context(), store, revlogtest.Secrets(1), whole); !errors.Is(err, revlog.ErrLost) {
		t.Errorf("without a list: %v", err)
	}
	l, err := replica.Open(t.Context(), store, revlogtest.Secrets(1), replica.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(t.Context())
	for n := range byte(5) {
		o := replica.Revocation{Scope: revlog.ScopeSession, Tag: revlog.Tag{n + 1}}
		if _, err := l.Revoke(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name  string
		ring  replica.Secrets
		bend  func(*revlog.Page)
		other bool
		says  string // "": the list is sound
	}{
		{name: "a sound list", ring: revlogtest.Secrets(1)},
		{name: "without a ring", ring: nil},
		{name: "another ring", ring: revlogtest.Secrets(2), other: true},
		{name: "an entry is missing", ring: revlogtest.Secrets(1), bend: func(p *revlog.Page) { p.Entries = slices.Delete(p.Entries, 2, 3) }, says: "entries 3 to 3 are missing"},
		{name: "the newest is missing", ring: revlogtest.Secrets(1), bend: func(p *revlog.Page) { p.Entries = p.Entries[:4] }, says: "the newest entry should be 5"},
		{name: "an entry twice", ring: revlogtest.Secrets(1), bend: func(p *revlog.Page) { p.Entries[1] = p.Entries[0] }, says: "numbers repeat"},
		{name: "another log", ring: revlogtest.Secrets(1), bend: func(p *revlog.Page) { p.Head.Chain[0]++ }, says: "another chain"},
		{name: "a forgery", ring: revlogtest.Secrets(1), bend: func(p *revlog.Page) { p.Entries[1].MAC[0]++ }, says: "forged"},
		{name: "a later version", ring: revlogtest.Secrets(1), bend: func(p *revlog.Page) {
			p.Entries[1].Version = 0x22
			p.Entries[1].MAC = replica.MACs(revlogtest.Secrets(1))(p.Entries[1])
		}, says: "does not know"},
		{name: "beyond its limit", ring: revlogtest.Secrets(1), bend: func(p *revlog.Page) { p.Entries[1].Limit-- }, says: "forged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bent{Store: store, bend: tt.bend}
			if tt.bend == nil {
				b.bend = func(*revlog.Page) {}
			}
			i, err := replica.Inspect(t.Context(), b, tt.ring, whole)
			if err != nil {
				t.Fatal(err)
			}
			if i.OtherRing != tt.other || (len(i.Problems) == 0) != (tt.says == "") || !strings.Contains(strings.Join(i.Problems, "; "), tt.says) {
				t.Errorf("%+v", i)
			}
			if tt.bend == nil && (i.Entries != 5 || i.Oldest.N != 1 || i.Newest.N != 5) {
				t.Errorf("read %+v", i)
			}
		})
	}
	forged := bent{store, func(*revlog.Page) {}, revlog.Entry{Version: revlog.EntryVersion, Effect: revlog.End.Byte(), Scope: revlog.ScopeEveryone}}
	if i, err := replica.Inspect(t.Context(), forged, revlogtest.Secrets(1), whole); err != nil || len(i.Problems) != 1 || !strings.Contains(i.Problems[0], "a global entry, about everyone, is forged") {
		t.Errorf("a forged global entry: %+v, %v", i, err)
	}
	if i, err := replica.Inspect(t.Context(), store, revlogtest.Secrets(1), func(h revlog.Head) int64 { return h.MS + time.Hour.Milliseconds() }); err != nil || i.Entries != 0 || i.Problems != nil {
		t.Errorf("an empty log: %+v, %v", i, err)
	}
}
