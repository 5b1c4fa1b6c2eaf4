package backchannel_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/httpmw/backchannel"
)

func TestMemoryIsBounded(t *testing.T) {
	id := func(i int) (jti [32]byte) {
		binary.BigEndian.PutUint64(jti[:], uint64(i))
		return jti
	}
	now := time.Now()
	until := now.Add(time.Minute)
	var m backchannel.Memory
	for i := range backchannel.MaxUsed {
		if !m.Add(id(i), now, until) || m.Add(id(i), now, until) {
			t.Fatalf("token %d is new once", i)
		}
	}
	if !m.Knows(id(0), now) || m.Knows(id(0), until) || m.Len() != backchannel.MaxUsed {
		t.Fatal("a full memory")
	}
	// One more: the oldest is forgotten.
	m.Add(id(-1), now, until)
	if m.Knows(id(0), now) || !m.Knows(id(1), now) || !m.Knows(id(-1), now) || m.Len() != backchannel.MaxUsed {
		t.Error("one more than fits")
	}
	// Expired tokens are forgotten, and may then come again.
	if !m.Add(id(5), until, until.Add(time.Minute)) || !m.Knows(id(5), until) || m.Len() != 1 {
		t.Errorf("%d are kept", m.Len())
	}
	// A token comes again before earlier ones are forgotten.
	var again backchannel.Memory
	again.Add(id(1), now, until.Add(time.Hour))
	again.Add(id(2), now, until)
	again.Add(id(2), until, until.Add(time.Hour))
	again.Add(id(3), until.Add(2*time.Hour), until.Add(3*time.Hour))
	if again.Len() != 1 {
		t.Errorf("%d are kept", again.Len())
	}
}
