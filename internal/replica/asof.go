package replica

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"log/slog"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// An asOf names a moment of a list: right after a write, in a primary term.
type asOf struct {
	list revlog.ListID
	term uint32 // as tokens say it
	at   revlog.Position
}

const asOfBytes = 16 + 4 + 6 + 6

// asOfText returns what Receipt.AsOf says of a write that was acknowledged with h.
func asOfText(h revlog.Head) string {
	b := make([]byte, 0, asOfBytes+4)
	b = append(b, h.ID[:]...)
	b = binary.BigEndian.AppendUint32(b, termIn(h.ID, h.Term()))
	for _, n := range []int64{h.MS, h.N} {
		var all [8]byte
		binary.BigEndian.PutUint64(all[:], uint64(n))
		b = append(b, all[2:]...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseAsOf reads what asOfText wrote. There is one spelling of each.
func parseAsOf(text string) (a asOf, ok bool) {
	var b [asOfBytes]byte
	if len(text) != base64.RawURLEncoding.EncodedLen(asOfBytes) {
		return asOf{}, false
	}
	// Decode skips line breaks, so the right length alone does not rule out a second spelling.
	n, err := base64.RawURLEncoding.Strict().Decode(b[:], []byte(text))
	if err != nil || n != asOfBytes {
		return asOf{}, false
	}
	six := func(b []byte) int64 {
		return int64(binary.BigEndian.Uint16(b))<<32 | int64(binary.BigEndian.Uint32(b[2:]))
	}
	copy(a.list[:], b[:16])
	a.term = binary.BigEndian.Uint32(b[16:])
	a.at = revlog.Position{MS: six(b[20:]), N: six(b[26:])}
	return a, true
}

// Reach makes sure that the decisions that follow know all that a receipt stands for (R35).
// all are the Receipt.AsOf of it, as they came from wherever they came: there must be one. If
// the view is older, Reach waits for one read. It returns false if the view is older after
// that, or if all is not what a receipt says.
func (l *Replica) Reach(ctx context.Context, all []string) bool {
	if l.store == nil {
		return true // nothing is ever revoked
	}
	if len(all) != 1 {
		return l.absurd()
	}
	a, ok := parseAsOf(all[0])
	if !ok {
		return l.absurd()
	}
	reached := func() bool {
		v := l.view.Load()
		return v != nil && v.reaches(a)
	}
	return reached() || l.await(ctx, 2, reached) // a read that is under way may have been sent before
}

// absurd notes that somebody demanded what no receipt says.
func (l *Replica) absurd() bool {
	l.counters.anomalies.add("as_of")
	l.seldom(slog.LevelWarn, "revocation: a request demands decisions as of something that is no receipt of this list: it gets 503; look for a service with another release, or for somebody who makes it up")
	return false
}

// reaches reports whether v knows all that a stands for. If a is of another list, or of a term
// that does not hold, nobody can tell by the position: the store lost the list since, or has
// another primary that may lack what a stands for, or v is from before that and the next read
// shows it. Then v does not reach a until it is a minute past both a and the beginning of its own
// list or term. In that minute replicas write back what was lost (R26), and sessions in doubt
// are undecided as well (R17). After that, it is as if nobody had asked: a receipt that is kept
// must not shut out whoever keeps it.
func (v *view) reaches(a asOf) bool {
	if v.lacksGlobals {
		return false // what a stands for may be one of them
	}
	if a.list == v.head.ID && stillHolds(&v.head, a.term, a.at.MS) {
		return !v.m.Before(a.at)
	}
	since := v.head.Born
	if n := len(v.head.Terms); n > 0 && a.list == v.head.ID {
		since = v.head.Terms[n-1].Opened
	}
	return v.m.MS-max(since, a.at.MS) > lostGrace.Milliseconds()
}
