package boltstore

import (
	"encoding/binary"
	"fmt"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// entryHead is the size of the first part of an entry on disk, big endian: quiet (1 byte), ms (8),
// n (8), W (8), until (8), chain (8). The entry as revlog packs it follows.
const entryHead = 1 + 4*8 + 8

func appendEntry(b []byte, e revlog.Entry) []byte {
	quiet := byte(0)
	if e.Quiet {
		quiet = 1
	}
	b = append(b, quiet)
	for _, n := range []int64{e.Position.MS, e.Position.N, e.W, e.Until} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return e.AppendPacked(append(b, e.Chain[:]...))
}

func parseEntry(b []byte) (revlog.Entry, error) {
	if len(b) < entryHead || b[0] > 1 {
		return revlog.Entry{}, fmt.Errorf("%w: an entry has %d bytes", ErrCorrupt, len(b))
	}
	e, rest, ok := revlog.ParsePacked(b[entryHead:])
	if !ok || len(rest) > 0 {
		return revlog.Entry{}, fmt.Errorf("%w: an entry has %d bytes", ErrCorrupt, len(b))
	}
	e.Quiet = b[0] == 1
	b = b[1:]
	for _, n := range []*int64{&e.Position.MS, &e.Position.N, &e.W, &e.Until} {
		*n = int64(binary.BigEndian.Uint64(b))
		if *n < 0 {
			return e, fmt.Errorf("%w: number out of range", ErrCorrupt)
		}
		b = b[8:]
	}
	copy(e.Chain[:], b)
	return e, nil
}
